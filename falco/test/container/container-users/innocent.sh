# Node as root, which the sidecar is, and programs of the agent.
exec node -e 0
