package lab

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hfvmm/hfvmm/vmm/initramfs"
)

// Job is a program to be run in a lab.
type Job struct {
	Init    string   // arm64 executable that calls Init first of all; "" takes Executable()
	Program string   // absolute path in the guest of the program to be run; "" runs Init's executable
	Args    []string // the program's arguments, without its name
	Env     []string // "KEY=value", added to the lab's own few
	Dir     string   // working directory in the guest; "" is /

	// Files are copied into the guest: absolute path there → path here.
	Files map[string]string

	Memory uint64 // bytes of RAM that the program needs; the lab adds what itself and Files need
	CPUs   int    // number of CPUs, 1 to MaxCPUs; 0 is 2

	Stdin  io.Reader // nil is the null device; a read that blocks is left behind when the job ends
	Stdout io.Writer // nil discards
	Stderr io.Writer // nil discards; while the lab boots, a terminal shows that something is going on

	// Listener, if not nil, takes connections for the Unix socket that the program listens at in the guest, at
	// the path Socket. Run closes it.
	Listener net.Listener
	Socket   string

	Kernel string // arm64 kernel image, version 6.4 or later
	QEMU   string // the qemu-system-aarch64 to be run

	// Icount makes the guest's time the number of instructions executed, on one CPU, so that
	// times measured in the guest are the same in every run on every machine.
	Icount bool

	// Started, if not nil, is called once, when the program is about to be started.
	Started func()
}

// Paths in the guest.
const (
	initPath = "/init" // where Linux looks for PID 1 in an initramfs
	jobPath  = "/job"
)

// order is what Init needs to know of a Job. Its strings may be any bytes, as names of files are.
type order struct {
	Program string
	Args    []string
	Env     []string
	Dir     string
	Stdin   bool   // frames of standard input will come
	Socket  string // connections for this socket will come through a tunnel, if it is not ""
}

func (o order) encode() ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(o)
	return b.Bytes(), err
}

func decodeOrder(data []byte) (o order, err error) {
	err = gob.NewDecoder(bytes.NewReader(data)).Decode(&o)
	return o, err
}

// Executable returns an arm64 Linux executable that calls Init: this process's own file if it is
// one, otherwise the file beside it that has "-linux-arm64" added to its name.
func Executable() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("own executable: %w", err)
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		return self, nil
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", fmt.Errorf("own executable: %w", err)
	}
	companion := self + "-linux-arm64"
	if _, err := os.Stat(companion); err != nil {
		return "", fmt.Errorf("%s, which the lab runs, is missing: build it with `make build`, or install it beside %s", companion, self)
	}
	return companion, nil
}

// MaxCPUs is how many CPUs a lab may have.
const MaxCPUs = 64

const (
	mib        = 1 << 20
	ownMemory  = 512 * mib
	leastNeeds = 256 * mib
)

// check refuses jobs that no lab can run.
func (j *Job) check() error {
	switch {
	case j.Kernel == "":
		return errors.New("the lab has no kernel")
	case j.QEMU == "":
		return errors.New("the lab has no QEMU")
	case (j.Listener == nil) != (j.Socket == ""):
		return errors.New("the lab needs a listener and a socket, or neither")
	case j.CPUs < 0 || j.CPUs > MaxCPUs:
		return fmt.Errorf("%d CPUs asked of the lab, which has 1 to %d", j.CPUs, MaxCPUs)
	}
	return nil
}

// contents lists what goes into the initramfs.
func (j *Job) contents() ([]initramfs.File, error) {
	init := j.Init
	if init == "" {
		var err error
		if init, err = Executable(); err != nil {
			return nil, err
		}
	}
	program := j.Program
	if program == "" {
		program = initPath
	}
	order, err := order{Program: program, Args: j.Args, Env: j.Env, Dir: j.Dir, Stdin: j.Stdin != nil, Socket: j.Socket}.encode()
	if err != nil {
		return nil, err
	}
	files := []initramfs.File{
		{Guest: initPath, Host: init, Mode: 0o755},
		{Guest: jobPath, Data: order},
	}
	for guest, host := range j.Files {
		files = append(files, initramfs.File{Guest: guest, Host: host})
	}
	return files, nil
}

// memory returns the size of the guest in MiB, for an initramfs of that many bytes. The archive and the
// files unpacked from it are in memory together for a while.
func (j *Job) memory(archive int64) uint64 {
	return (ownMemory + max(j.Memory, leastNeeds) + 2*uint64(archive) + mib - 1) / mib
}
