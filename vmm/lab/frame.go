package lab

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// A frame on the port between host and guest is a header of five bytes (its kind and, little-endian, the
// number of payload bytes) and the payload.
type kind uint8

const (
	kindStdin    kind = iota + 1 // host → guest: bytes
	kindStdinEnd                 // host → guest: no more of them
	kindStarted                  // guest → host: the program is about to be started
	kindStdout                   // guest → host: bytes
	kindStderr                   // guest → host: bytes
	kindExit                     // guest → host, the last: exit code, 4 bytes little-endian
	kindFailed                   // guest → host, the last: why the program could not be run, as text

	// On the port of a tunnel. The payload begins with the number of a connection, 4 bytes little-endian.
	kindConnect // host → guest: there is a new one
	kindData    // bytes
	kindDataEnd // no more of them from this side
)

const (
	headerSize = 5
	maxPayload = 32 << 10 // of one frame
)

// sender writes frames; several goroutines may use it.
type sender struct {
	mu  sync.Mutex
	w   io.Writer
	buf [headerSize + maxPayload]byte
}

// send writes payload, at most maxPayload bytes, as one frame.
func (s *sender) send(k kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf[0] = byte(k)
	binary.LittleEndian.PutUint32(s.buf[1:], uint32(len(payload)))
	n := headerSize + copy(s.buf[headerSize:], payload)
	_, err := s.w.Write(s.buf[:n])
	return err
}

// stream is a writer whose bytes go out as frames of one kind.
type stream struct {
	to   *sender
	kind kind
}

func (s *stream) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		part := p[sent:min(len(p), sent+maxPayload)]
		if err := s.to.send(s.kind, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return len(p), nil
}

// receive reads one frame into buf, which holds maxPayload bytes, and returns its payload.
func receive(r io.Reader, buf []byte) (kind, []byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	k, n := kind(header[0]), binary.LittleEndian.Uint32(header[1:])
	if k < kindStdin || k > kindDataEnd || n > maxPayload {
		return 0, nil, fmt.Errorf("the other end of the lab's port speaks another language: kind %d, %d bytes", k, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, fmt.Errorf("the lab's port closed within a frame: %w", err)
	}
	return k, buf[:n], nil
}
