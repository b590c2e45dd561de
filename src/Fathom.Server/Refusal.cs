using System.Text.Json;
using Fathom.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Answers what cannot be answered as asked. Stateless.</summary>
internal static class Refusal
{
    /// <summary>Answers a request; what is refused, or breaks before the answer begins, is told in the dialect's shape.</summary>
    /// <param name="http">the request</param> <param name="server">observes it</param> <param name="answer">answers it</param>
    /// <param name="writeError">the members of an error</param> <param name="report">told of defects in a sentence; null for nobody</param>
    public static async Task GuardAsync(
        HttpContext http, ServerWatch server, Func<RequestWatch, Task> answer, Action<Utf8JsonWriter, RequestError> writeError, Action<string>? report)
    {
        using RequestWatch watch = server.Begin(http);
        http.Response.Headers["x-request-id"] = watch.Id;
        try
        {
            await answer(watch).ConfigureAwait(false);
        }
        catch (RequestErrorException e)
        {
            await WriteAsync(http, watch, e.Error, writeError).ConfigureAwait(false);
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The client has left.
        }
        catch (Exception e)
        {
            // Its message may hold what the client sent.
            report?.Invoke($"{watch.Id}: a defect of Fathom, {e.GetType().FullName}\n{e.StackTrace}");
            await WriteAsync(http, watch, new RequestError(ErrorReason.Internal, "The server has a defect, which it has reported where it "
                + "runs."), writeError).ConfigureAwait(false);
        }
    }

    // A response that has begun is broken off.
    private static async Task WriteAsync(HttpContext http, RequestWatch watch, RequestError error, Action<Utf8JsonWriter, RequestError> writeError)
    {
        watch.Refuse(error);
        if (http.Response.HasStarted)
        {
            http.Abort();                                                                 // half an answer must not look like a whole one
            return;
        }
        if (error.RetryAfter is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
        if (error.Reason == ErrorReason.Unauthorized)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
        }
        await JsonReply.WriteAsync(http.Response, error.Status, json => writeError(json, error), http.RequestAborted).ConfigureAwait(false);
    }
}
