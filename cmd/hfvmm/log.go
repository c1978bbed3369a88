package main

import (
	"fmt"
	"log/slog"
)

// logger is the log on standard error.
func (a *app) logger(o *options) *slog.Logger {
	opts := &slog.HandlerOptions{}
	if o.verbose {
		opts.Level = slog.LevelDebug
	}
	if o.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(a.stderr, opts))
}

// debugLog prints a line that a VM logged.
func (s *session) debugLog(vm string, line []byte) {
	if s.o.logFormat.value == "json" {
		s.log.Info("debug log", "vm", vm, "line", string(line))
		return
	}
	fmt.Fprintf(s.stderr, "[%s] %s\n", vm, line)
}
