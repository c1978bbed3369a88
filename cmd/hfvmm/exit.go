package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hfvmm/hfvmm/vmm"
)

// The exit codes of hfvmm. Scripts depend on them: a code never changes its meaning.
const (
	exitOK       = 0
	exitInternal = 1
	exitUsage    = 2
	exitNoKVM    = 3
	exitReset    = 32
	exitCrash    = 33
	exitTimeout  = 34
	exitFailed   = 35
	exitDuty     = 36
	exitHung     = 37
	exitQuit     = 130
)

var exitCodes = []struct {
	code int
	when string
}{
	{exitOK, "the primary powered off, or hfvmm power-off ended it; without one, input has ended and the secondaries are at rest"},
	{exitInternal, "internal error of hfvmm, or one of the host, such as a full disk under the serial line"},
	{exitUsage, "bad usage or bad input"},
	{exitNoKVM, "no usable KVM on this host, and no lab either"},
	{exitReset, "the primary asked for a reset"},
	{exitCrash, "the primary crashed"},
	{exitTimeout, "the time given with --timeout ran out"},
	{exitFailed, "without a primary: a secondary aborted, or takes no more messages"},
	{exitDuty, "the primary broke a rule to which --check-scheduler=strict holds it"},
	{exitHung, "the primary did not pet the watchdog of --watchdog, not even after its event"},
	{exitQuit, "quit by the user: Ctrl-A x, SIGINT, SIGTERM, SIGHUP, or standard output closed"},
}

// exitCodeHelp is the table as it stands in the help of `hfvmm run`.
func exitCodeHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.when)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// exitError ends the command with a code. A nil err ends it without a word.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is a mistake of the caller: exit code 2.
func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// codeOf is the exit code for an error of a command.
func codeOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, vmm.ErrUsage):
		return exitUsage
	case errors.Is(err, vmm.ErrNoKVM):
		return exitNoKVM
	}
	return exitInternal
}
