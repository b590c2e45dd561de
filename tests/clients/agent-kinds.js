// The agents that are tried, with the settings that docs/SERVING.md gives to users, and the tool of each that reads a file.
const question = 'What does note.txt say?';

/**
 * package, version and command as npm knows them; tool with its parameters as the agent offers it; arguments, files below the home folder and variables of the
 * environment with which it runs.
 */
export const kinds = {
  claude: {
    package: '@anthropic-ai/claude-code',
    version: '2.1.197',
    command: 'claude',
    tool: 'Read',
    parameters: file => ({ file_path: file }),
    // Only this output shows the reasoning.
    arguments: ['--print', '--verbose', '--output-format', 'stream-json', question],
    files: () => ({}),
    environment: address => ({ ANTHROPIC_BASE_URL: address, ANTHROPIC_AUTH_TOKEN: 'none', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }),
  },
  codex: {
    package: '@openai/codex',
    version: '0.171.0',
    command: 'codex',
    tool: 'exec_command',
    parameters: file => ({ cmd: `cat '${file}'` }),
    // The only command is the one of the script, and its own sandbox does not work inside every container.
    arguments: ['exec', '--skip-git-repo-check', '--sandbox', 'danger-full-access', question],
    files: address => ({
      '.codex/config.toml': [
        'model = "fathom-nano"', 'model_provider = "fathom"', 'check_for_update_on_startup = false',
        '[analytics]', 'enabled = false',
        '[model_providers.fathom]', 'name = "Fathom"', `base_url = "${address}/v1"`, 'wire_api = "responses"', '',
      ].join('\n'),
    }),
    environment: () => ({}),
  },
  opencode: {
    package: 'opencode-ai',
    version: '1.18.33',
    command: 'opencode',
    tool: 'read',
    parameters: file => ({ filePath: file }),
    arguments: ['run', '--thinking', '--model', 'fathom/fathom-nano', question],
    files: address => ({
      '.config/opencode/opencode.json': JSON.stringify({
        autoupdate: false,
        share: 'disabled',
        provider: {
          fathom: {
            npm: '@ai-sdk/openai-compatible',
            options: { baseURL: `${address}/v1`, apiKey: 'none' },
            models: { 'fathom-nano': { reasoning: true, limit: { context: 1048576, output: 8192 } } },
          },
        },
      }),
    }),
    environment: () => ({ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' }),
  },
};
