package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hfvmm/hfvmm/vmm/console"
)

// quitOnSignals quits at the first signal that asks for it. A second one ends the process at once, as if
// nothing had been arranged for the first. One that was ignored from the start, as nohup and background jobs of
// shells have it, stays ignored.
func quitOnSignals(quit context.CancelCauseFunc) (stop func()) {
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// A write that nobody reads is an error of that write. The process would die of it otherwise, if
	// it is one to standard output, and leave a socket behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case <-signals:
			quit(console.ErrQuit)
		case <-done:
		}
		signal.Stop(signals)
	}()
	return func() { close(done) }
}
