"""Every message that crosses a process, and the catalogue of calls, facts and views. No NATS, no telemetry."""
