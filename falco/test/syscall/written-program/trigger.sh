# Writes a program into its home and runs it.
cp /bin/true /home/openclaw/dropped
/home/openclaw/dropped
