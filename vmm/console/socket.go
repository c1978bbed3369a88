package console

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// socket is a line that clients of a Unix socket connect to, one at a time: the next waits until the
// one before has gone. What the guest sends while there is no client is lost; a client that does
// not read makes the guest wait.
type socket struct {
	null
	listener *net.UnixListener

	mu     sync.Mutex
	change sync.Cond // client or closed changed
	client net.Conn
	closed bool
}

func listen(path string) (Port, error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil {
			l, err = net.ListenUnix("unix", addr)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %q: %w; %s", path, reason(err), remedy(err))
	}
	p := &socket{listener: l}
	p.change.L = &p.mu
	go p.accept()
	return p, nil
}

// abandoned reports whether path is a socket that nobody listens at, such as a killed process
// leaves behind.
func abandoned(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || st.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "remove it or choose another path"
	case errors.Is(err, syscall.EINVAL):
		return "choose a path shorter than 108 bytes"
	}
	return "choose a path in a directory that you may write"
}

// accept takes clients one after the other.
func (p *socket) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		if p.closed {
			c.Close()
		} else {
			p.client = c
			p.change.Broadcast()
		}
		for p.client != nil {
			p.change.Wait()
		}
		p.mu.Unlock()
	}
}

// hangUp ends the connection with c, if it is still the client.
func (p *socket) hangUp(c net.Conn) {
	c.Close()
	p.mu.Lock()
	if p.client == c {
		p.client = nil
		p.change.Broadcast()
	}
	p.mu.Unlock()
}

func (p *socket) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		for p.client == nil && !p.closed {
			p.change.Wait()
		}
		c := p.client
		p.mu.Unlock()
		if c == nil {
			return 0, io.EOF
		}
		if n, err := c.Read(b); n > 0 || err == nil {
			return n, nil
		}
		p.hangUp(c)
	}
}

func (p *socket) Write(b []byte) (int, error) {
	p.mu.Lock()
	c := p.client
	p.mu.Unlock()
	if c != nil {
		if _, err := c.Write(b); err != nil {
			p.hangUp(c)
		}
	}
	return len(b), nil
}

// Close hangs up and removes the socket.
func (p *socket) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	c := p.client
	p.change.Broadcast()
	p.mu.Unlock()
	if c != nil {
		p.hangUp(c)
	}
	return p.listener.Close()
}
