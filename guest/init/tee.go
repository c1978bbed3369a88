//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"

	"golang.org/x/sys/unix"
)

// teeDevice is where the kernel's own OP-TEE driver serves clients.
const teeDevice = "/dev/tee0"

// teeApp is the trusted application of the service ffa_tee, and what its commands are.
var teeApp = [16]byte{0x2f, 0x6b, 0xb1, 0xd4, 0x93, 0xa7, 0x4c, 0x1e, 0x8d, 0x0b, 0x5a, 0x1f, 0x7e, 0x0c, 0x9b, 0x36}

const (
	teeAdd    = 0
	teeInvert = 1
)

// teeClient loads the kernel's own OP-TEE driver, which probes the partition with OP-TEE's UUID, and is a client of a
// trusted application there.
func teeClient([]int) (string, error) {
	if err := loadKernelModules("ffa-core", "ffa-module", "tee", "optee"); err != nil {
		return "", err
	}
	if err := teeProbed(); err != nil {
		return "", err
	}
	c, err := openTEE()
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.openSession([16]byte{1, 2, 3}); err == nil {
		return "", errors.New("there is a session with an application that does not exist")
	}
	if err := c.openSession(teeApp); err != nil {
		return "", err
	}
	const rounds = 50
	for n := range uint64(rounds) {
		p, err := c.invoke(teeAdd, teeParam{attr: teeValueInOut, a: n, b: 1000})
		if err != nil || p[0].a != n+1000 {
			return "", fmt.Errorf("%d and 1000 are %d, error %v", n, p[0].a, err)
		}
	}
	if err := c.checkMemory(3*4096 + 100); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d sums, and memory that was shared and changed", rounds), c.closeSession()
}

var teeReady = regexp.MustCompile(`^optee: initialized driver`)

// teeProbed prints what the driver says about the partition. That it is ready must be there.
func teeProbed() error {
	lines, err := kernelLog()
	if err != nil {
		return err
	}
	ready := false
	for _, l := range lines {
		if regexp.MustCompile(`^(optee|tee)\b`).MatchString(l.text) {
			fmt.Println(" ", l.text)
			ready = ready || teeReady.MatchString(l.text)
		}
	}
	if !ready {
		return errors.New("the kernel's OP-TEE driver is not ready")
	}
	return nil
}

// tee is a client with a session (include/uapi/linux/tee.h).
type tee struct {
	*os.File
	*teeRequests
	session uint32
}

func openTEE() (*tee, error) {
	f, err := os.OpenFile(teeDevice, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	r, err := newTEERequests()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tee{File: f, teeRequests: r}, nil
}

// Requests.
const (
	teeShmAlloc     = 0xc010a401
	teeOpenSession  = 0x8010a402
	teeInvokeFunc   = 0x8010a403
	teeCloseSession = 0x8004a405
)

// Types of parameters.
const (
	teeValueOut    = 2
	teeValueInOut  = 3
	teeMemoryInOut = 7
)

// teeParam is a value, or memory: offset, size, identifier.
type teeParam struct{ attr, a, b, c uint64 }

const teeParams = 2

// teeSessionArg asks for a session.
type teeSessionArg struct {
	app, client                                     [16]byte
	login, cancel, session, ret, origin, parameters uint32
}

// teeInvokeArg asks for a command.
type teeInvokeArg struct {
	command, session, cancel, ret, origin, parameters uint32
	params                                            [teeParams]teeParam
}

type teeBuffer struct{ pointer, size uint64 }

func (c *tee) openSession(app [16]byte) error {
	c.open = teeSessionArg{app: app}
	describe(c.teeRequests, &c.open)
	if _, err := teeIoctl(int(c.Fd()), teeOpenSession, &c.buffer); err != nil {
		return err
	}
	if c.open.ret != 0 {
		return fmt.Errorf("session: error %#x of %d", c.open.ret, c.open.origin)
	}
	c.session = c.open.session
	return nil
}

func (c *tee) closeSession() error {
	_, err := teeIoctl(int(c.Fd()), teeCloseSession, &c.session)
	return err
}

func (c *tee) invoke(command uint32, params ...teeParam) ([teeParams]teeParam, error) {
	c.call = teeInvokeArg{command: command, session: c.session, parameters: teeParams}
	copy(c.call.params[:], params)
	describe(c.teeRequests, &c.call)
	_, err := teeIoctl(int(c.Fd()), teeInvokeFunc, &c.buffer)
	if err == nil && c.call.ret != 0 {
		err = fmt.Errorf("command %d: error %#x of %d", command, c.call.ret, c.call.origin)
	}
	return c.call.params, err
}

// checkMemory lets the application work on size bytes that both share.
func (c *tee) checkMemory(size int) error {
	shm := struct {
		size  uint64
		flags uint32
		id    int32
	}{size: uint64(size)}
	fd, err := teeIoctl(int(c.Fd()), teeShmAlloc, &shm)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map shared memory: %w", err)
	}
	defer unix.Munmap(b)
	var sum uint64
	want := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7)
		sum += uint64(b[i])
		want[i] = ^b[i]
	}
	p, err := c.invoke(teeInvert, teeParam{teeMemoryInOut, 0, uint64(size), uint64(shm.id)}, teeParam{attr: teeValueOut})
	if err != nil {
		return err
	}
	if p[1].a != sum || !bytes.Equal(b, want) {
		return fmt.Errorf("%d bytes with the sum %d came back with %d, as they should: %v", size, sum, p[1].a, bytes.Equal(b, want))
	}
	return nil
}
