package console

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/vmm/console/ptytest"
)

// session is a terminal port with its keyboard and screen.
type session struct {
	Port
	keyboard, tty *os.File
	stderr        *bytes.Buffer
	quits         chan error
}

func openTerminal(t *testing.T) *session {
	t.Helper()
	s := &session{stderr: &bytes.Buffer{}, quits: make(chan error, 8)}
	s.keyboard, s.tty = ptytest.Open(t)
	var err error
	s.Port, err = Open(Spec{}, Streams{In: s.tty, Out: s.tty, Err: NewStderr(s.stderr)}, func(why error) { s.quits <- why })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *session) start(t *testing.T) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *session) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.keyboard.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

func (s *session) awaitQuit(t *testing.T) {
	t.Helper()
	select {
	case why := <-s.quits:
		if why != ErrQuit {
			t.Error(why)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Ctrl-A x does not quit")
	}
}

func isRaw(s unix.Termios) bool { return s.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 }

func TestTheTerminalIsRawFromStartToCloseOnly(t *testing.T) {
	s := openTerminal(t)
	before := ptytest.Settings(t, s.tty)
	if isRaw(before) {
		t.Fatal("a new terminal is raw")
	}
	s.start(t)
	if !isRaw(ptytest.Settings(t, s.tty)) {
		t.Error("the terminal is not raw after Start")
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if after := ptytest.Settings(t, s.tty); after != before {
			t.Errorf("settings after Close %+v, want %+v", after, before)
		}
	}
	if !strings.HasPrefix(s.stderr.String(), greeting) {
		t.Errorf("stderr begins with %q, want the greeting", s.stderr)
	}
}

func TestTheTerminalIsLeftAloneWithoutStart(t *testing.T) {
	s := openTerminal(t)
	before := ptytest.Settings(t, s.tty)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.start(t) // too late: nothing may happen
	if after := ptytest.Settings(t, s.tty); after != before {
		t.Errorf("settings %+v, want %+v", after, before)
	}
}

func TestKeysReachTheGuestUnchanged(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	s.press(t, "ls\r\x03\x04\x1a\x01\x01\x00")
	want := "ls\r\x03\x04\x1a\x01\x00"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s, got); err != nil || string(got) != want {
		t.Errorf("guest got %q, %v, want %q", got, err, want)
	}
}

func TestOutputReachesTheScreenUnchanged(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	want := strings.Repeat("a line\nwithout returns\n", 50)
	go s.Write([]byte(want))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s.keyboard, got); err != nil || string(got) != want {
		t.Errorf("screen shows %q, %v, want %q", got, err, want)
	}
}

func TestCtrlAXQuitsAGuestThatDoesNotRead(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	for range 4 * backlog / 1024 {
		s.press(t, strings.Repeat("z", 1024))
		time.Sleep(time.Millisecond) // the terminal's own queue holds 4 KiB
	}
	s.press(t, "\x01x")
	s.awaitQuit(t)
}

func TestCtrlAHShowsTheKeysOnStderr(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	s.press(t, "\x01h\x01x")
	s.awaitQuit(t)
	s.Close()
	if want := strings.ReplaceAll(helpText, "\n", "\r\n"); !strings.HasSuffix(s.stderr.String(), want) {
		t.Errorf("stderr ends %q, want %q", s.stderr, want)
	}
}

func TestReadOfATerminalEndsWithClose(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	checkCloseEndsRead(t, s)
}

func TestReadOfATerminalEndsWhenItHangsUp(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	s.keyboard.Close()
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read: %d, %v, want EOF", n, err)
	}
}

func TestAWriteToAStoppedTerminalEndsWithClose(t *testing.T) {
	s := openTerminal(t)
	s.start(t)
	checkCloseEndsWrite(t, s)
}
