package lab

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// tunnel joins connections of a Unix socket on the host to connections of one in the guest, through a port
// of its own, so that they and the standard streams never wait for each other. Both ends have the same
// shape. A connection that does not take what comes for it is hung up on, and the others go on.
type tunnel struct {
	out *sender

	mu     sync.Mutex
	conns  map[uint32]*tunneled
	closed bool
	ended  sync.WaitGroup // counts the conns
}

// tunneled is a connection of this side.
type tunneled struct {
	queue chan []byte // for it; closed when no more comes

	// Guarded by tunnel.mu:
	over    bool   // the queue is closed
	dropped bool   // it did not take what came for it
	stop    func() // hangs up
}

const (
	idSize    = 4  // of a connection, in front of the payload
	queueSize = 64 // frames
	flushTime = time.Second
)

func newTunnel(port io.Writer) *tunnel {
	return &tunnel{out: &sender{w: port}, conns: map[uint32]*tunneled{}}
}

// accept sends every connection of l through the tunnel until l is closed.
func (t *tunnel) accept(l net.Listener) {
	for id := uint32(0); ; id++ {
		c, err := l.Accept()
		if err != nil {
			return
		}
		begin := func() (net.Conn, error) {
			err := t.send(kindConnect, id, nil)
			if err != nil {
				c.Close()
			}
			return c, err
		}
		if !t.join(id, begin) {
			c.Close()
			return
		}
	}
}

// serve takes what comes through the port until that ends, connecting with dial, which may be nil where
// connections only begin on this side.
func (t *tunnel) serve(port io.Reader, dial func() (net.Conn, error)) {
	defer t.close()
	buf := make([]byte, maxPayload)
	for {
		k, payload, err := receive(port, buf)
		if err != nil || len(payload) < idSize {
			return
		}
		id := binary.LittleEndian.Uint32(payload)
		switch k {
		case kindConnect:
			if dial != nil {
				t.join(id, dial)
			}
		case kindData:
			t.put(id, payload[idSize:])
		case kindDataEnd:
			t.put(id, nil)
		}
	}
}

// join makes the connection id that connect gives one of the tunnel's, unless that is closed.
func (t *tunnel) join(id uint32, connect func() (net.Conn, error)) bool {
	c := &tunneled{queue: make(chan []byte, queueSize), stop: func() {}}
	t.mu.Lock()
	_, taken := t.conns[id]
	ok := !t.closed && !taken
	if ok {
		t.conns[id] = c
		t.ended.Add(1)
	}
	t.mu.Unlock()
	if ok {
		go t.carry(id, c, connect)
	}
	return ok
}

// carry moves the bytes of one connection both ways until both are at their end.
func (t *tunnel) carry(id uint32, c *tunneled, connect func() (net.Conn, error)) {
	defer t.ended.Done()
	conn, err := connect()
	if err == nil {
		t.mu.Lock()
		c.stop = func() { conn.Close() }
		if c.dropped {
			c.stop()
		}
		t.mu.Unlock()
		t.pump(id, c, conn)
	} else {
		_ = t.send(kindDataEnd, id, nil) // fails only if the other side has ended
	}
	for range c.queue { // nobody wants it
	}
	t.mu.Lock()
	delete(t.conns, id)
	t.mu.Unlock()
}

// pump reads conn until its end, in this goroutine, and writes what is queued for it in another.
func (t *tunnel) pump(id uint32, c *tunneled, conn net.Conn) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		for b := range c.queue {
			if _, err := conn.Write(b); err != nil {
				break
			}
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // it may be gone
		}
	}()
	_, _ = io.Copy(writerFunc(func(b []byte) (int, error) {
		return len(b), t.send(kindData, id, b)
	}), conn)
	_ = t.send(kindDataEnd, id, nil)
	<-written
	conn.Close()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// send sends a frame of a connection; longer payloads go as several.
func (t *tunnel) send(k kind, id uint32, payload []byte) error {
	for {
		n := min(len(payload), maxPayload-idSize)
		frame := binary.LittleEndian.AppendUint32(make([]byte, 0, idSize+n), id)
		if err := t.out.send(k, append(frame, payload[:n]...)); err != nil {
			return err
		}
		if payload = payload[n:]; len(payload) == 0 {
			return nil
		}
	}
}

// put queues bytes for a connection, or its end, which nil stands for.
func (t *tunnel) put(id uint32, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.conns[id]
	switch {
	case c == nil || c.over:
	case b == nil:
		c.end()
	default:
		select {
		case c.queue <- append([]byte(nil), b...):
		default:
			c.dropped = true
			c.end()
			c.stop()
		}
	}
}

// end closes the queue. The tunnel is locked.
func (c *tunneled) end() {
	if !c.over {
		c.over = true
		close(c.queue)
	}
}

// close ends the tunnel when nothing comes through the port any more: the connections get a short time to
// take what is queued for them.
func (t *tunnel) close() {
	t.mu.Lock()
	t.closed = true
	for _, c := range t.conns {
		c.end()
	}
	t.mu.Unlock()
	t.drain()
	t.mu.Lock()
	for _, c := range t.conns {
		c.stop()
	}
	t.mu.Unlock()
	t.ended.Wait()
}

// drain lets no connection begin any more, and gives those that there are a short time to end.
func (t *tunnel) drain() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		t.ended.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(flushTime):
	}
}
