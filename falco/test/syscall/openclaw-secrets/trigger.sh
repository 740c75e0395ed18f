# Shows OpenClaw's configuration with its token, a channel's credentials, and the database with the transcripts.
cat /home/openclaw/.openclaw/openclaw.json >/dev/null
cat /home/openclaw/.openclaw/credentials/telegram/token.json >/dev/null
cat /home/openclaw/.openclaw/agents/main/agent/openclaw-agent.sqlite >/dev/null
