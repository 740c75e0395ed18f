# Reads cloud credentials in its home, and tries /etc/shadow, which is refused.
cat /home/openclaw/.aws/credentials >/dev/null
cat /etc/shadow 2>/dev/null && exit 1
exit 0
