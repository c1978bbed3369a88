package vmm

import "io"

// readConsole passes on what r delivers until it ends. A blocked Read cannot be interrupted, so
// nobody waits for this goroutine; it touches nothing of the machine but its stopped channel.
func (m *Machine) readConsole(r io.Reader, to chan<- []byte) {
	defer close(to)
	for {
		b := make([]byte, 256)
		n, err := r.Read(b)
		if n > 0 {
			select {
			case to <- b[:n]:
			case <-m.stopped:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// feedConsole gives the bytes to the UART as its FIFO takes them.
func (m *Machine) feedConsole(from <-chan []byte) {
	for {
		var b []byte
		var open bool
		select {
		case b, open = <-from:
		case <-m.stopped:
		}
		if !open {
			return
		}
		for b = b[m.uart.Input(b):]; len(b) > 0; b = b[m.uart.Input(b):] {
			select {
			case <-m.uart.InputSpace():
			case <-m.stopped:
				return
			}
		}
	}
}
