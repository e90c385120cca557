"""Running it: settings, wiring, command line, embedded services, benchmarks."""
