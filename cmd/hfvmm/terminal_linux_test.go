package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/console/ptytest"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

// asCommand in the environment makes the test binary the command, on an echoHost.
const asCommand = "HFVMM_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	console.Guard()
	if os.Getenv(asCommand) != "" {
		a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: console.NewStderr(os.Stderr), host: echoHost{}}
		os.Exit(a.main(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// echoHost runs machines that send back what they get, in brackets, and crash hfvmm when they get "!".
type echoHost struct{}

func (echoHost) usable() error                           { return nil }
func (echoHost) provide(context.Context, *lab.Job) error { return nil }

func (echoHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	echo(cfg.ConsoleIn, cfg.ConsoleOut, ctx.Done())
	return vmm.Cancelled, context.Cause(ctx)
}

func (echoHost) lab(ctx context.Context, job lab.Job) (int, error) {
	job.Started()
	echo(job.Stdin, job.Stdout, ctx.Done())
	return 0, ctx.Err()
}

func echo(in io.Reader, out io.Writer, done <-chan struct{}) {
	go func() {
		var b [1]byte
		for {
			if _, err := in.Read(b[:]); err != nil {
				return
			}
			if b[0] == '!' {
				panic("a machine that crashes hfvmm")
			}
			io.WriteString(out, "["+string(b[:])+"]")
		}
	}()
	<-done
}

// terminalRun is hfvmm in a terminal.
type terminalRun struct {
	cmd      *exec.Cmd
	keyboard *os.File
	tty      *os.File
	screen   *bufio.Reader
	before   unix.Termios // the terminal's settings
}

// startInTerminal starts the command on an echoHost.
func startInTerminal(t *testing.T, args ...string) *terminalRun {
	t.Helper()
	files(t, "Image")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"run", "--primary=Image"}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return inTerminal(t, cmd)
}

// inTerminal starts cmd as the leader of a session with a terminal of its own.
func inTerminal(t *testing.T, cmd *exec.Cmd) *terminalRun {
	t.Helper()
	r := &terminalRun{cmd: cmd}
	r.keyboard, r.tty = ptytest.Open(t)
	r.before = ptytest.Settings(t, r.tty)
	r.screen = bufio.NewReader(r.keyboard)
	if err := r.keyboard.SetReadDeadline(time.Now().Add(4 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.tty, r.tty, r.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	// A signal that is ignored here, as under nohup, would be ignored there, but one that is caught here is not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	err := cmd.Start()
	signal.Stop(caught)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return r
}

// awaitRaw waits until keys go to the guest.
func (r *terminalRun) awaitRaw(t *testing.T) {
	t.Helper()
	r.await(t, "Ctrl-A h helps\r\n")
	within(t, "the terminal is raw", func() bool { return ptytest.Settings(t, r.tty) != r.before })
}

// await reads the screen up to text.
func (r *terminalRun) await(t *testing.T, text string) {
	t.Helper()
	var seen strings.Builder
	for !strings.HasSuffix(seen.String(), text) {
		b, err := r.screen.ReadByte()
		if err != nil {
			t.Fatalf("%v before %q; the screen shows %q", err, text, seen.String())
		}
		seen.WriteByte(b)
	}
}

func (r *terminalRun) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := r.keyboard.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// drain reads the screen until nobody has the terminal open any more.
func (r *terminalRun) drain(t *testing.T) (rest string) {
	t.Helper()
	r.tty.Close()
	b, err := io.ReadAll(r.screen)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("a process keeps the terminal: %v", err)
	}
	return string(b)
}

func TestTheTerminalIsRestoredHoweverHfvmmEnds(t *testing.T) {
	signal := func(s syscall.Signal) func(*testing.T, *terminalRun) {
		return func(t *testing.T, r *terminalRun) {
			if err := r.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys := func(k string) func(*testing.T, *terminalRun) {
		return func(t *testing.T, r *terminalRun) { r.press(t, k) }
	}
	tests := []struct {
		name string
		end  func(*testing.T, *terminalRun)
		code int // -1 if a signal ends it
	}{
		{"Ctrl-A x", keys("\x01x"), exitQuit},
		{"SIGTERM", signal(syscall.SIGTERM), exitQuit},
		{"SIGINT", signal(syscall.SIGINT), exitQuit},
		{"SIGHUP", signal(syscall.SIGHUP), exitQuit},
		{"panic", keys("!"), 2},
		{"SIGQUIT", signal(syscall.SIGQUIT), 2}, // a crash of the Go runtime
		{"SIGKILL", signal(syscall.SIGKILL), -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startInTerminal(t)
			r.awaitRaw(t)
			r.press(t, "a\x03")
			r.await(t, "[a][\x03]") // keys arrive and are not echoed by the terminal
			tt.end(t, r)
			screen := make(chan string)
			go func() {
				var b strings.Builder
				io.Copy(&b, r.screen)
				screen <- b.String()
			}()
			err := r.cmd.Wait()
			if code := r.cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d (%v)", code, tt.code, err)
			}
			within(t, "the terminal is restored", func() bool { return ptytest.Settings(t, r.tty) == r.before })
			r.tty.Close() // now nobody has it open, so reading ends
			<-screen
		})
	}
}

func TestTheTerminalIsFreeWhenHfvmmHasEnded(t *testing.T) {
	for _, host := range []string{"kvm", "lab"} {
		r := startInTerminal(t, "--host", host)
		r.awaitRaw(t)
		r.press(t, "\x01h")
		r.await(t, "Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n")
		r.press(t, "\x01\x01")
		r.await(t, "[\x01]")
		r.press(t, "\x01x")
		if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != exitQuit {
			t.Errorf("%s: %v", host, err)
		}
		if rest := r.drain(t); rest != "" {
			t.Errorf("%s: the screen then shows %q", host, rest)
		}
	}
}

func TestMessagesComeOnATerminalThatIsCookedAgain(t *testing.T) {
	r := startInTerminal(t, "--timeout=500ms")
	r.awaitRaw(t)
	r.await(t, "hfvmm: stopped after 500ms, as --timeout says\r\n")
	if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != exitTimeout {
		t.Error(err)
	}
	r.drain(t)
}

func TestHfvmmQuitsWhenItsOutputIsNotReadAnyMore(t *testing.T) {
	files(t, "Image")
	for _, host := range []string{"kvm", "lab"} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "run", "--primary=Image", "--host", host)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		stdin, stdout := startPiped(t, cmd)
		stdout.Close()
		if _, err := io.WriteString(stdin, "a"); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitQuit {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// Such as nohup's SIGHUP, and the SIGINT of a shell's background job.
func TestSignalsThatWereIgnoredAtTheStartDoNotEndHfvmm(t *testing.T) {
	files(t, "Image")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP INT; exec "$0" "$@"`, self, "run", "--primary=Image", "--host=kvm")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	stdin, stdout := startPiped(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill() })
	answers := func() bool {
		io.WriteString(stdin, "a")
		var b [3]byte
		_, err := io.ReadFull(stdout, b[:])
		return err == nil && string(b[:]) == "[a]"
	}
	if !answers() {
		t.Fatal("the machine does not run")
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		for range 1000 { // which takes longer than to end at a signal
			if !answers() {
				t.Fatalf("%v ended it", s)
			}
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitQuit {
		t.Error(err)
	}
}

func TestHfvmmEndsAndSaysWhyWhenItsOutputCannotBeWritten(t *testing.T) {
	files(t, "Image")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for _, host := range []string{"kvm", "lab"} {
		for serial, where := range map[string]string{"stdio": "standard output", "file=/dev/full": `"/dev/full"`} {
			var stderr bytes.Buffer
			a := &app{stdin: stdin, stdout: full, stderr: console.NewStderr(&stderr), host: chattyHost{}}
			code := a.main(t.Context(), []string{"run", "--primary=Image", "--host", host, "--serial", serial, "--timeout=30s"})
			want := "cannot write the serial line to " + where + ": no space left on device; "
			if code != exitInternal || !strings.Contains(stderr.String(), want) {
				t.Errorf("%s, %s: exit code %d, stderr:\n%s", host, serial, code, &stderr)
			}
		}
	}
}

// chattyHost runs machines that say something and then nothing more, until they are stopped.
type chattyHost struct{ echoHost }

func (chattyHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	io.WriteString(cfg.ConsoleOut, "hello")
	<-ctx.Done()
	return vmm.Cancelled, context.Cause(ctx)
}

func (chattyHost) lab(ctx context.Context, job lab.Job) (int, error) {
	job.Started()
	io.WriteString(job.Stdout, "hello")
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestASerialSocketServesClientsAndIsRemovedAtTheEnd(t *testing.T) {
	r := startInTerminal(t, "--serial=unix=s")
	within(t, "somebody listens at the socket", func() bool { // its file is there before that
		c, err := net.Dial("unix", "s")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	// A client that goes away while the guest writes does no harm: the next one is served.
	for range 20 {
		c, err := net.Dial("unix", "s")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, strings.Repeat("a", 1000))
		io.ReadFull(c, make([]byte, 3))
		c.Close()
	}
	r.cmd.Process.Signal(syscall.SIGTERM)
	if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != exitQuit {
		t.Error(err)
	}
	left, err := filepath.Glob("*")
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %q, %v, want only Image", left, err)
	}
	r.drain(t)
}

// startPiped starts cmd with pipes as its standard input and output.
func startPiped(t *testing.T, cmd *exec.Cmd) (stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return stdin, stdout
}
