"""The ground that every command runs on: console, progress, options, signals, processes. It knows no experiment."""
