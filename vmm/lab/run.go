package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hfvmm/hfvmm/vmm/initramfs"
)

// stopTime is how long a program may take to end after it was asked to. It takes much less, unless it does not heed that.
const stopTime = 10 * time.Second

// Run boots a lab, runs the job there and returns its exit code: 128 plus the signal's number if
// a signal ended it. What the program leaves running ends with it. An error means that the job did not run to
// its end; ctx.Err() is among its causes if ctx ended it: a program that has been started then gets SIGTERM and stopTime
// to end, while its output is still taken. QEMU never outlives Run or the calling process, and no file is left behind.
func Run(ctx context.Context, job Job) (int, error) {
	if job.Listener != nil {
		defer job.Listener.Close()
	}
	if err := job.check(); err != nil {
		return 0, err
	}
	kernel, err := openKernel(job.Kernel)
	if err != nil {
		return 0, err
	}
	defer kernel.Close()
	initrd, err := pack(&job)
	if err != nil {
		return 0, err
	}
	defer initrd.Close()
	size, err := initrd.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("initramfs of the lab: %w", err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return 0, fmt.Errorf("port of the lab: %w", err)
	}
	defer ours.Close()
	defer theirs.Close()
	stopPort, theirStop, err := socketPair()
	if err != nil {
		return 0, fmt.Errorf("second port of the lab: %w", err)
	}
	defer stopPort.Close()
	defer theirStop.Close()
	inherited := []*os.File{kernelFD - 3: kernel, initrdFD - 3: initrd, portFD - 3: theirs, stopFD - 3: theirStop}
	var tunnelPort *os.File
	if job.Listener != nil {
		var far *os.File
		if tunnelPort, far, err = socketPair(); err != nil {
			return 0, fmt.Errorf("tunnel of the lab: %w", err)
		}
		defer tunnelPort.Close()
		defer far.Close()
		inherited = append(inherited, far)
	}

	alive, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	cmd := exec.CommandContext(alive, job.QEMU, job.arguments(job.memory(size))...)
	cmd.ExtraFiles = inherited
	cmd.SysProcAttr = dieWithParent()
	kernelLog, complaints := &tail{}, &tail{}
	cmd.Stdout, cmd.Stderr = kernelLog, complaints

	stopSpinner := spin(job.Stderr, "starting an arm64 host in QEMU")
	defer stopSpinner()
	ended, err := start(cmd)
	if err != nil {
		return 0, fmt.Errorf("QEMU: %w", err)
	}
	for _, f := range inherited[portFD-3:] {
		f.Close()
	}
	if job.Listener != nil {
		defer job.dig(tunnelPort)()
	}

	var started atomic.Bool
	defer context.AfterFunc(ctx, func() {
		if started.Load() {
			_, _ = stopPort.Write([]byte{1}) // fails only if the lab has ended
			select {
			case <-ended:
			case <-time.After(stopTime):
			}
		}
		kill()
	})()
	code, err := job.converse(ctx, ours, func() {
		stopSpinner()
		started.Store(true)
	})
	outside := ctx.Err()
	if errors.Is(err, errStopped) && outside == nil {
		// QEMU is ending by itself and may have something to say.
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
	}
	kill()
	<-ended
	stopSpinner()
	switch {
	case outside != nil:
		return 0, fmt.Errorf("lab stopped: %w", outside)
	case errors.Is(err, errStopped):
		return 0, describe(err, complaints.String(), kernelLog.String())
	}
	return code, err
}

// dig joins the job's listener to the guest. fill waits until everything that came has gone its way.
func (j *Job) dig(port *os.File) (fill func()) {
	t := newTunnel(port)
	var ends sync.WaitGroup
	ends.Go(func() { t.accept(j.Listener) })
	ends.Go(func() { t.serve(port, nil) }) // until QEMU has ended
	return func() {
		j.Listener.Close()
		ends.Wait()
	}
}

// errStopped says that the port was closed too early.
var errStopped = errors.New("the lab stopped before its job had ended")

// describe adds to err what QEMU and the kernel said last.
func describe(err error, complaints, kernelLog string) error {
	if text := strings.TrimSpace(complaints); text != "" {
		err = fmt.Errorf("%w; QEMU says: %s", err, text)
	}
	if text := strings.TrimSpace(kernelLog); text != "" {
		err = fmt.Errorf("%w; the end of the lab's kernel log:\n%s", err, text)
	}
	return err
}

// pack writes the initramfs.
func pack(job *Job) (*os.File, error) {
	files, err := job.contents()
	if err != nil {
		return nil, err
	}
	f, err := nameless(func(f *os.File) error { return initramfs.Write(f, files) })
	if err != nil {
		return nil, fmt.Errorf("initramfs of the lab: %w", err)
	}
	return f, nil
}

// start starts cmd and returns a channel that is closed when it has ended. The thread that
// starts it waits for it too, because Linux counts the death of that thread as the parent's.
func start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // QEMU's own exit code says nothing; the port does
		}
	}()
	return done, <-started
}

// converse serves the port until the job's last frame. Once ctx is done, output that nobody takes is no reason to stop.
func (j *Job) converse(ctx context.Context, port *os.File, started func()) (int, error) {
	if j.Stdin != nil {
		go func() {
			out := &sender{w: port}
			_, _ = io.Copy(&stream{out, kindStdin}, j.Stdin)
			_ = out.send(kindStdinEnd, nil) // fails only if the lab has ended
		}()
	}
	stdout, stderr := orDiscard(j.Stdout), orDiscard(j.Stderr)
	buf := make([]byte, maxPayload)
	for {
		k, payload, err := receive(port, buf)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return 0, errStopped
		}
		if err != nil {
			return 0, err
		}
		switch k {
		case kindStarted:
			started()
			if j.Started != nil {
				j.Started()
			}
		case kindStdout:
			_, err = stdout.Write(payload)
		case kindStderr:
			_, err = stderr.Write(payload)
		case kindExit:
			if len(payload) != 4 {
				return 0, fmt.Errorf("an exit code of %d bytes came from the lab", len(payload))
			}
			return int(int32(binary.LittleEndian.Uint32(payload))), nil
		case kindFailed:
			return 0, errors.New(string(payload))
		}
		if err != nil && ctx.Err() == nil {
			return 0, fmt.Errorf("output of the lab's job: %w", err)
		}
	}
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
