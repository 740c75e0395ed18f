# Looks up users, reads the public certificates, and asks for credentials that do not exist.
id >/dev/null
cat /etc/passwd /etc/group >/dev/null
cat /etc/ssl/certs/ca-certificates.crt /home/openclaw/.netrc >/dev/null 2>&1
node -e 'require("node:os").userInfo()' 2>/dev/null
exit 0
