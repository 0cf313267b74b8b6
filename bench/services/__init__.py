"""What a field update costs beside a bare publish to JetStream (bench/README.md)."""
