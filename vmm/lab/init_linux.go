package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Init makes this process the init of a lab if it is PID 1 of one, and then never returns.
// Everywhere else it returns at once. Call it first in main.
func Init() {
	if os.Getpid() != 1 {
		return
	}
	order, err := os.ReadFile(jobPath)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = serve(order)
	}
	// Reached only without a port: the kernel log is all that is left.
	fmt.Fprintln(os.Stderr, "lab:", err)
	powerOff()
}

// mounts are the file systems that programs expect of a Linux host.
var mounts = []struct{ kind, dir string }{
	{"devtmpfs", "/dev"},
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"debugfs", "/sys/kernel/debug"},
	{"tmpfs", "/tmp"},
	{"tmpfs", "/dev/shm"},
	{"tmpfs", "/run"},
}

// serve runs the encoded order. It returns only if the host cannot be reached.
func serve(order []byte) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	defer holdKVM()()
	port, err := openPort(portName)
	if err != nil {
		return err
	}
	out := &sender{w: port}
	last, payload := kindExit, make([]byte, 4)
	if code, err := execute(order, port, out); err != nil {
		last, payload = kindFailed, []byte("the lab cannot run its job: "+err.Error())
	} else {
		if code != 0 {
			complain(&stream{out, kindStderr})
		}
		binary.LittleEndian.PutUint32(payload, uint32(code))
	}
	if err := out.send(last, payload); err != nil {
		return err
	}
	// The host stops this machine when it has read that frame, which may be long after it was written.
	awaitHangUp(port)
	powerOff()
	return nil
}

// awaitHangUp waits until the host has gone from a port.
func awaitHangUp(port *os.File) {
	for fds := []unix.PollFd{{Fd: int32(port.Fd())}}; fds[0].Revents&unix.POLLHUP == 0; {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
	}
}

// complain writes what the kernel has complained about: a program that failed may have failed for that.
func complain(w io.Writer) {
	log, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(log)
	var records []string
	for buf := make([]byte, 8192); ; {
		n, err := unix.Read(log, buf) // one record
		switch err {
		case nil:
			records = append(records, string(buf[:n]))
			continue
		case unix.EPIPE: // some were lost
			continue
		}
		break
	}
	for _, line := range complaints(records) {
		fmt.Fprintln(w, "the lab's kernel:", line)
	}
}

// openPort opens a port to the host, whose name the driver learns some time after it started.
func openPort(port string) (*os.File, error) {
	for range 1000 {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && string(text) == port+"\n" {
				return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(name)), os.O_RDWR, 0)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil, fmt.Errorf("the virtio-serial port %q has not come up: does the lab's kernel have CONFIG_VIRTIO_PCI=y and CONFIG_VIRTIO_CONSOLE=y?", port)
}

// execute runs the ordered program to its end and returns its exit code.
func execute(order []byte, port *os.File, out *sender) (int, error) {
	o, err := decodeOrder(order)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", jobPath, err)
	}
	cmd := exec.Command(o.Program, o.Args...)
	cmd.Env = append([]string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp"}, o.Env...)
	cmd.Dir = o.Dir
	cmd.Stdout, cmd.Stderr = &stream{out, kindStdout}, &stream{out, kindStderr}
	var stdin io.WriteCloser
	if o.Stdin {
		if stdin, err = cmd.StdinPipe(); err != nil {
			return 0, err
		}
	}
	if o.Socket != "" {
		drain, err := joinSocket(o.Socket)
		if err != nil {
			return 0, err
		}
		defer drain()
	}
	stop, err := openPort(stopName)
	if err != nil {
		return 0, err
	}
	if err := out.send(kindStarted, nil); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if o.Stdin {
		go feed(stdin, &patient{port})
	}
	go func() {
		if _, err := (&patient{stop}).Read(make([]byte, 1)); err == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}()
	endTogether(cmd.Process.Pid)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// endTogether waits for the end of a child and ends with it all that it has left running, so that its output, which
// they share, has an end: all of it then goes to the host, however late that reads.
func endTogether(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	_ = unix.Kill(-1, unix.SIGKILL) // fails if there is nobody
}

// joinSocket lets the host's connections through to the socket of the program, for which they wait. Once the
// program has ended, drain gives what it said last the time to leave.
func joinSocket(path string) (drain func(), err error) {
	port, err := openPort(tunnelName)
	if err != nil {
		return nil, err
	}
	t := newTunnel(port)
	ended := make(chan struct{})
	go t.serve(&patient{port}, func() (net.Conn, error) {
		for {
			c, err := net.Dial("unix", path)
			if err == nil || !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
				return c, err
			}
			select {
			case <-ended:
				return nil, err
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() {
		close(ended)
		t.drain()
	}, nil
}

// feed gives the program the standard input that comes through the port. What a program leaves
// unread is dropped.
func feed(stdin io.WriteCloser, port io.Reader) {
	buf := make([]byte, maxPayload)
	var broken bool
	for {
		k, payload, err := receive(port, buf)
		if err != nil || k == kindStdinEnd {
			stdin.Close()
			return
		}
		if !broken {
			_, err = stdin.Write(payload)
			broken = err != nil
		}
	}
}

// patient reads a port whose host side may not have been opened yet: until then a read returns
// no bytes, which is not the end here.
type patient struct{ port *os.File }

func (p *patient) Read(b []byte) (int, error) {
	for {
		n, err := p.port.Read(b)
		if err != io.EOF {
			return n, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func powerOff() {
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // does not return if it works
	os.Exit(1)                                       // panics the kernel, which ends the machine too
}
