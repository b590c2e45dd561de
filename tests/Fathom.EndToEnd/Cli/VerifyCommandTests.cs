using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

public class VerifyCommandTests
{
    private const ushort TwoInBf16 = 0x4000;

    [Theory]
    [InlineData("a_sliding", "512")]
    [InlineData("b_csa", "1")]
    [InlineData("d_flash", "7")]
    [InlineData("g_mtp", "2147483647")]
    [InlineData("q_fp8_fp4", "64")]
    [InlineData("m_mixed", "33")]
    public async Task Golden_cases_pass_in_any_chunks(string name, string chunk)
    {
        FathomProcess run = await VerifyAsync(GoldenFolder.Path(name), GoldenFolder.Path(name), "--json", "--quiet", "--chunk", chunk);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.True(json.RootElement.GetProperty("pass").GetBoolean());
        Assert.NotEqual(0, json.RootElement.GetProperty("checks").GetArrayLength());
        foreach (JsonElement check in json.RootElement.GetProperty("checks").EnumerateArray())
        {
            Assert.NotEmpty(check.GetProperty("name").GetString()!);
            Assert.True(check.GetProperty("pass").GetBoolean());
            Assert.InRange(check.GetProperty("maxError").GetDouble(), 0, check.GetProperty("tolerance").GetDouble());
            Assert.True(check.GetProperty("position").GetInt32() >= -1 && check.GetProperty("layer").GetInt32() >= -1);
        }
    }

    [Fact]
    public async Task A_trained_model_agrees()
    {
        FathomProcess run = await FathomProcess.RunAsync("verify", "--model", TestFiles.Path("models", "seed"), "--case", GoldenFolder.Path("s_seed"));
        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"All \d+ checks passed\.", run.Output);
    }

    [Theory]
    [InlineData("d_flash")]
    [InlineData("m_mixed")]
    public async Task A_damaged_weight_is_found_and_named_by_layer_and_position(string name)
    {
        using var folder = new TempFolder();
        GoldenFolder.Copy(name, folder, "model.safetensors", tensor =>
        {
            byte[] bytes = tensor.Bytes.ToArray();
            if (tensor.Name == "layers.2.attn.kv_norm.weight")
                MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan()).Fill(TwoInBf16);
            return bytes;
        });
        FathomProcess text = await VerifyAsync(folder.Root, GoldenFolder.Path(name));
        Assert.Equal(1, text.ExitCode);
        Assert.Contains("FAILED", text.Output, StringComparison.Ordinal);
        Assert.Matches(@"The first difference in the order of computation is in \w+ of layer 2 at position 0:", text.Output);

        FathomProcess run = await VerifyAsync(folder.Root, GoldenFolder.Path(name), "--json");
        Assert.Equal(1, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.False(json.RootElement.GetProperty("pass").GetBoolean());
        Assert.Equal(2, json.RootElement.GetProperty("firstFailure").GetProperty("layer").GetInt32());
        Assert.Equal(0, json.RootElement.GetProperty("firstFailure").GetProperty("position").GetInt32());
    }

    [Fact]
    public async Task A_case_that_records_logits_only_is_compared_by_them()
    {
        using var folder = new TempFolder();
        GoldenFolder.Copy("d_flash", folder, "case.safetensors", tensor => tensor.Name == "prefill_logits" ? tensor.Bytes.ToArray() : null);
        FathomProcess run = await VerifyAsync(GoldenFolder.Path("d_flash"), folder.Path("case.json"), "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["prefill_logits", "greedy_ids"], CheckNames(run.Output));
    }

    [Theory]
    [InlineData("hidden_pos")]
    [InlineData("router_idx")]
    [InlineData("decode_logits")]
    public async Task A_case_without_a_tensor_still_compares_the_others(string missing)
    {
        using var folder = new TempFolder();
        GoldenFolder.Copy("d_flash", folder, "case.safetensors", tensor => tensor.Name == missing ? null : tensor.Bytes.ToArray());
        FathomProcess run = await VerifyAsync(GoldenFolder.Path("d_flash"), folder.Root, "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.DoesNotContain(missing, CheckNames(run.Output));
        Assert.Contains("compressed_kv.2", CheckNames(run.Output));
    }

    [Fact]
    public async Task A_value_that_is_no_number_fails_and_the_json_stays_json()
    {
        using var folder = new TempFolder();
        GoldenFolder.Copy("a_sliding", folder, "case.safetensors", tensor =>
        {
            byte[] bytes = tensor.Bytes.ToArray();
            if (tensor.Name == "attn_out")
                MemoryMarshal.Cast<byte, float>(bytes.AsSpan())[0] = float.NaN;
            return bytes;
        });
        FathomProcess run = await VerifyAsync(GoldenFolder.Path("a_sliding"), folder.Root, "--json");
        Assert.Equal(1, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement first = json.RootElement.GetProperty("firstFailure");
        Assert.Equal(("attn_out", double.MaxValue, 0), (first.GetProperty("name").GetString(), first.GetProperty("maxError").GetDouble(), first.GetProperty("layer").GetInt32()));
    }

    [Fact]
    public async Task Unused_tensors_are_refused_unless_allowed()
    {
        using var folder = new TempFolder();
        GoldenFolder.CopyWithUnused("a_sliding", folder, "vision.patch.weight");
        FathomProcess refused = await VerifyAsync(folder.Root, GoldenFolder.Path("a_sliding"));
        Assert.Equal((1, ""), (refused.ExitCode, refused.Output));
        Assert.Contains("--allow-unused", refused.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await VerifyAsync(folder.Root, GoldenFolder.Path("a_sliding"), "--allow-unused", "--threads", "1")).ExitCode);
    }

    [Theory]
    [InlineData("{", "case.json")]
    [InlineData("{}", "prompt_ids")]
    [InlineData("{\"prompt_ids\": [], \"greedy_ids\": []}", "at least one token")]
    [InlineData("{\"prompt_ids\": [1, 256], \"greedy_ids\": []}", "prompt_ids[1]: expected a token id from 0 to 255")]
    [InlineData("{\"prompt_ids\": [1], \"greedy_ids\": [-5]}", "greedy_ids[0]: expected")]
    [InlineData("{\"prompt_ids\": [1], \"greedy_ids\": [], \"cache\": \"int4\"}", "expected mixed or f32")]
    [InlineData("{\"prompt_ids\": [1], \"greedy_ids\": [], \"tolerance\": 1}", "logits_mean")]
    public async Task A_malformed_case_says_what_is_wrong(string json, string says)
    {
        using var folder = new TempFolder();
        File.Copy(Path.Combine(GoldenFolder.Path("a_sliding"), "case.safetensors"), folder.Path("case.safetensors"));
        folder.Write("case.json", Encoding.UTF8.GetBytes(json));
        FathomProcess run = await VerifyAsync(GoldenFolder.Path("a_sliding"), folder.Root);
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains(says, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_case_or_a_case_of_another_model_fails()
    {
        FathomProcess missing = await FathomProcess.RunAsync("verify", "--case", "no-such-case");
        Assert.Equal((1, ""), (missing.ExitCode, missing.Output));
        Assert.Contains("no-such-case", missing.Error, StringComparison.Ordinal);

        FathomProcess other = await FathomProcess.RunAsync("verify", "--case", GoldenFolder.Path("d_flash"));
        Assert.Equal((1, ""), (other.ExitCode, other.Output));
        Assert.Contains("Does the case belong to this model?", other.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chat.json", 219)]
    [InlineData("replies.json", 111)]
    [InlineData("tokenizer.json", 116)]
    public async Task Golden_texts_need_a_tokenizer_only(string file, int checks)
    {
        FathomProcess run = await VerifyAsync(TestFiles.Path("tests", "data", "tokenizer"), GoldenFolder.Path(file), "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(checks, CheckNames(run.Output).Count);
    }

    [Fact]
    public async Task Token_ids_of_another_vocabulary_are_never_called_equal()
    {
        FathomProcess chat = await FathomProcess.RunAsync("verify", "--case", GoldenFolder.Path("chat.json"));
        Assert.Equal(0, chat.ExitCode);
        Assert.Contains("Not compared: token ids", chat.Error, StringComparison.Ordinal);
        FathomProcess quiet = await FathomProcess.RunAsync("verify", "--case", GoldenFolder.Path("chat.json"), "--json", "--quiet");
        Assert.Empty(quiet.Error);
        Assert.Contains("Not compared: token ids", quiet.Output, StringComparison.Ordinal);

        FathomProcess texts = await FathomProcess.RunAsync("verify", "--case", GoldenFolder.Path("tokenizer.json"));
        Assert.Equal((1, ""), (texts.ExitCode, texts.Output));
        Assert.Contains("another vocabulary", texts.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"cases\": [{\"text\": \"ab\", \"ids\": [1, 2]}]}", "text 0 ids", true)]
    [InlineData("{\"cases\": [{\"name\": \"x\", \"input\": {\"messages\": [{\"role\": \"user\"}], \"thinking_mode\": \"chat\"}, \"prompt\": \"y\"}]}", "x prompt", true)]
    [InlineData("{\"cases\": [{\"name\": \"x\", \"input\": {\"messages\": 1}}]}", "in x found", false)]
    [InlineData("{\"cases\": []}", "no cases", false)]
    [InlineData("[]", "goldens' form", false)]
    public async Task Wrong_golden_texts_fail(string json, string says, bool compares)
    {
        using var folder = new TempFolder();
        FathomProcess run = await FathomProcess.RunAsync("verify", "--case", folder.Write("texts.json", Encoding.UTF8.GetBytes(json)));
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(says, compares ? run.Output : run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("verify")]
    [InlineData("verify", "--case", "x", "--chunk", "0")]
    [InlineData("verify", "--case", "x", "--threads", "0")]
    public async Task Wrong_usage_gives_2(params string[] arguments)
    {
        FathomProcess run = await FathomProcess.RunAsync(arguments);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Contains("See 'fathom verify --help'.", run.Error, StringComparison.Ordinal);
    }

    private static Task<FathomProcess> VerifyAsync(string model, string golden, params string[] more) =>
        FathomProcess.RunAsync(["verify", "--model", model, "--case", golden, .. more]);

    private static List<string> CheckNames(string output)
    {
        using JsonDocument json = JsonDocument.Parse(output);
        return [.. json.RootElement.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("name").GetString()!)];
    }
}
