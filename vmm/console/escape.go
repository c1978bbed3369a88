package console

// command is what a key after Ctrl-A asks for.
type command uint8

const (
	none command = iota
	quit
	help
)

const ctrlA = 0x01

// helpText is the answer to Ctrl-A h.
const helpText = `Ctrl-A h       this help
Ctrl-A x       quit hfvmm
Ctrl-A Ctrl-A  send Ctrl-A to the guest
`

// escape is the state between two bytes of a terminal: whether the last one was Ctrl-A.
type escape struct{ armed bool }

// feed takes one byte from the keyboard. It says whether the byte goes on to the guest, and what the
// user asked for. Ctrl-A with a key that means nothing is dropped.
func (e *escape) feed(b byte) (pass bool, cmd command) {
	if !e.armed {
		e.armed = b == ctrlA
		return !e.armed, none
	}
	e.armed = false
	switch b {
	case ctrlA:
		return true, none
	case 'x', 'X':
		return false, quit
	case 'h', 'H', '?':
		return false, help
	}
	return false, none
}
