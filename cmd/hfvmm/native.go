package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
)

// session is one run of a machine.
type session struct {
	*app
	o    *options
	cfg  vmm.Config
	log  *slog.Logger
	port console.Port
	quit context.CancelCauseFunc
	api  *net.UnixListener // nil unless the machine is to be controlled
}

// native runs the machine on this host's KVM.
func (s *session) native(ctx context.Context) error {
	s.cfg.Log, s.cfg.DebugLog = s.log, s.debugLog
	var tallies []duty.Tally
	s.cfg.Duties = func(t []duty.Tally) { tallies = t }
	s.cfg.ConsoleIn, s.cfg.ConsoleOut = &startReader{s: s}, s.port
	if s.api != nil {
		s.cfg.API = s.api
	}
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	how, err := s.host.run(ctx, s.cfg)
	s.port.Close() // before anything is said about the end
	s.printDuties(tallies)
	return s.ended(how, err, context.Cause(ctx))
}

// ended is what the command returns for the end of a machine. cause is the cause of its context.
func (s *session) ended(how vmm.Ending, err, cause error) error {
	switch {
	case how == vmm.Cancelled:
		return s.cancelled(cause)
	case how == vmm.WasReset:
		return &exitError{exitReset, errors.New("the primary asked for a reset")}
	case how == vmm.Crashed:
		return &exitError{exitCrash, fmt.Errorf("the primary crashed: %w", err)}
	case how == vmm.Failed:
		return &exitError{exitFailed, err}
	case how == vmm.BadInput:
		return &exitError{exitUsage, err}
	case how == vmm.Hung:
		return &exitError{exitHung, fmt.Errorf("the primary was reset: %w", err)}
	case how == vmm.Misscheduled:
		return &exitError{exitDuty, fmt.Errorf("the primary broke a rule of schedulers: %w", err)}
	}
	return err
}

// cancelled is what the command returns when a machine was stopped from outside.
func (s *session) cancelled(cause error) error {
	switch {
	case errors.Is(cause, console.ErrQuit):
		return &exitError{code: exitQuit}
	case errors.Is(cause, context.DeadlineExceeded):
		return &exitError{exitTimeout, fmt.Errorf("stopped after %v, as --timeout says", time.Duration(s.o.timeout))}
	}
	return cause
}

// withTimeout bounds ctx as --timeout says, from now on.
func (s *session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.o.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(s.o.timeout))
}

// start makes the console live, now that there is a machine.
func (s *session) start() {
	if err := s.port.Start(); err != nil {
		s.quit(err)
	}
}

// startReader is the console's input, which comes alive with the first Read: the machine is built
// then, and what is wrong with it has been said on a terminal that is not raw.
type startReader struct {
	s       *session
	started bool
}

func (r *startReader) Read(p []byte) (int, error) {
	if !r.started {
		r.started = true
		r.s.start()
	}
	return r.s.port.Read(p)
}
