package console

import (
	"io"
	"net"
	"sync"

	"github.com/hfvmm/hfvmm/vmm/unixsocket"
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
	l, err := unixsocket.Listen(path)
	if err != nil {
		return nil, err
	}
	p := &socket{listener: l}
	p.change.L = &p.mu
	go p.accept()
	return p, nil
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
