"""What each process needs to be a good citizen: NATS, append and load, timers, drain, telemetry, settings."""
