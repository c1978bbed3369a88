//go:build unix

package console

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// guardName is the name under which this program starts itself as a guard.
const guardName = "hfvmm-terminal-guard"

// Guard makes this process the guard of a terminal if it was started as one, and then never
// returns. Everywhere else it returns at once. Call it first in main.
//
// A panic in any goroutine, a fatal error of the runtime and SIGKILL end a Go process without running
// anything of it. So another process holds the other end of a pipe, and when that closes without a
// word it makes the terminal what it was.
func Guard() {
	if os.Args[0] != guardName {
		return
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTTOU, syscall.SIGTSTP)
	before, err := term.GetState(0)
	if err != nil {
		os.Exit(1)
	}
	if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
		os.Exit(1)
	}
	lifeline := os.NewFile(3, "lifeline")
	if n, _ := lifeline.Read(make([]byte, 1)); n == 0 {
		_ = term.Restore(0, before) // nobody is left to be told
	}
	os.Exit(0)
}

// guard is a running guard, or nil where none could be started: the terminal is then restored only
// when the process ends in an orderly way.
type guard struct {
	cmd      *exec.Cmd
	lifeline *os.File
}

// startGuard starts the guard of a terminal that is still as it shall be again.
func startGuard(terminal *os.File) *guard {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	r, lifeline, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	g := &guard{lifeline: lifeline, cmd: &exec.Cmd{
		Path:        self,
		Args:        []string{guardName},
		Stdin:       terminal,
		ExtraFiles:  []*os.File{r},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // what is sent to our group is not for it
	}}
	ready, err := g.cmd.StdoutPipe()
	if err != nil {
		lifeline.Close()
		return nil
	}
	if err := g.cmd.Start(); err != nil {
		lifeline.Close()
		return nil
	}
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		g.release()
		return nil
	}
	return g
}

// release ends the guard, which leaves the terminal alone.
func (g *guard) release() {
	if g == nil {
		return
	}
	_, _ = g.lifeline.Write([]byte{'.'}) // fails only if it has ended already
	g.lifeline.Close()
	_ = g.cmd.Wait()
}
