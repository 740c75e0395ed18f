# Node as root, like the sidecar, and programs of the agent.
exec node -e 0
