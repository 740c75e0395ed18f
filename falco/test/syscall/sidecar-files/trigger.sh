# Tries to read the sidecar's key, and to change its code. Both are refused.
cat /var/lib/openclaw-sidecar/key 2>/dev/null && exit 1
(echo >>/opt/openclaw-sidecar/openclaw-sidecar.mjs) 2>/dev/null && exit 1
exit 0
