package lab

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// tunnels joins two ends by a pair of sockets, the outer one listening at the path that is returned.
func tunnels(t *testing.T, dial func() (net.Conn, error)) (path string, inner *tunnel, stop func()) {
	t.Helper()
	a, b := socketConns(t)
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	outer := newTunnel(a)
	inner = newTunnel(b)
	var ends sync.WaitGroup
	ends.Go(func() { outer.accept(l) })
	ends.Go(func() { outer.serve(a, nil) })
	ends.Go(func() { inner.serve(b, dial) })
	return path, inner, func() {
		l.Close()
		b.Close()
		ends.Wait()
		a.Close()
	}
}

// echoAfterEnd answers all that a client sent, once the client has sent its last.
func echoAfterEnd(c net.Conn) {
	all, _ := io.ReadAll(c)
	_, _ = c.Write(all)
	c.Close()
}

func socketConns(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn), s.(*net.UnixConn)
}

func TestConnectionsCrossTheTunnelByteForByteEachForItself(t *testing.T) {
	path, _, stop := tunnels(t, func() (net.Conn, error) {
		c, s := socketConns(t)
		go echoAfterEnd(s)
		return c, nil
	})
	defer stop()
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			want := bytes.Repeat([]byte{byte(i)}, 100_000+i)
			if _, err := c.Write(want); err != nil {
				t.Error(err)
			}
			if err := c.(*net.UnixConn).CloseWrite(); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("client %d got %d bytes, %v", i, len(got), err)
			}
		})
	}
	clients.Wait()
}

func TestClientThatDoesNotReadIsHungUpOnAndOthersAreServed(t *testing.T) {
	flood := make([]byte, 2*queueSize*maxPayload)
	flooded := make(chan struct{})
	path, _, stop := tunnels(t, func() (net.Conn, error) {
		c, s := socketConns(t)
		go func() {
			first := make([]byte, 1)
			if _, err := io.ReadFull(s, first); err == nil && first[0] == 'f' {
				_, _ = s.Write(flood)
				close(flooded)
			} else {
				_, _ = s.Write(first)
			}
			s.Close()
		}()
		return c, nil
	})
	defer stop()
	sleeper, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer sleeper.Close()
	if _, err := sleeper.Write([]byte("f")); err != nil {
		t.Fatal(err)
	}
	other, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(other); err != nil || string(got) != "x" {
		t.Errorf("the other client got %q, %v", got, err)
	}
	<-flooded
	if n, _ := io.Copy(io.Discard, sleeper); n >= int64(len(flood)) {
		t.Errorf("%d bytes waited for a client that did not read", n)
	}
}

func TestClientOfASocketThatNobodyListensAtIsHungUpOn(t *testing.T) {
	path, _, stop := tunnels(t, func() (net.Conn, error) { return nil, errors.New("nobody") })
	defer stop()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEndOfTheTunnelEndsEveryConnection(t *testing.T) {
	path, _, stop := tunnels(t, func() (net.Conn, error) {
		c, _ := socketConns(t) // says nothing
		return c, nil
	})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	stop()
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestClientOfATunnelWhosePortIsGoneIsHungUpOn(t *testing.T) {
	port, gone := socketConns(t)
	gone.Close()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	outer := newTunnel(port)
	defer outer.close()
	defer l.Close()
	go outer.accept(l)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}
