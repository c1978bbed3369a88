package hypercall

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// DebugLogPutc prints the character in x1. The number is Hafnium's: a fast SMC32 call out of the range
// of Trusted OSes (DEN0028 §6).
const DebugLogPutc FuncID = 0xBD000000

// DebugLogLine is how many bytes of a line are kept before it is cut.
const DebugLogLine = 256

// DebugLog serves DebugLogPutc: it gathers the characters of each VM into lines.
type DebugLog struct {
	lines []logLine
	sink  func(vm int, line []byte)
}

type logLine struct {
	mu   sync.Mutex
	n    int
	raw  [DebugLogLine]byte
	safe [4 * DebugLogLine]byte
}

// NewDebugLog returns the service for VMs 0 to vms-1. sink gets every full line without its end; one
// VM's lines come one at a time and in order, lines of different VMs may come at once. A line is whole
// at a newline, a NUL or after DebugLogLine bytes. What could change the state of a terminal is spelt
// \xNN. The slice is good until sink returns.
func NewDebugLog(vms int, sink func(vm int, line []byte)) *DebugLog {
	return &DebugLog{lines: make([]logLine, vms), sink: sink}
}

// Ranges implements Service.
func (d *DebugLog) Ranges() []Range { return []Range{{DebugLogPutc, 1}} }

// Call implements Service. Both conduits serve.
func (d *DebugLog) Call(v *VCPU, _ FuncID, _ Conduit) Outcome {
	c := byte(v.Regs.X(1))
	v.Regs.SetX(0, 0)
	l := &d.lines[v.ID.VM]
	l.mu.Lock()
	d.put(int(v.ID.VM), l, c)
	l.mu.Unlock()
	return Outcome{}
}

// Print prints characters of a VM that came in another way.
func (d *DebugLog) Print(vm int, chars []byte) {
	l := &d.lines[vm]
	l.mu.Lock()
	for _, c := range chars {
		d.put(vm, l, c)
	}
	l.mu.Unlock()
}

// put adds a character to the line l, which is locked.
func (d *DebugLog) put(vm int, l *logLine, c byte) {
	if ends := c == '\n' || c == 0; !ends {
		l.raw[l.n] = c
		l.n++
	} else if c == '\n' || l.n > 0 {
		d.flush(vm, l)
	}
	if l.n == len(l.raw) {
		d.flush(vm, l)
	}
}

func (d *DebugLog) flush(vm int, l *logLine) {
	line := l.raw[:l.n]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	d.sink(vm, AppendSafe(l.safe[:0], line))
	l.n = 0
}

// AppendSafe appends a line of a guest to dst as it can be shown on a terminal: every byte that is not part of a
// printable character, a space or a tab is spelt \xNN, so it gets at most four times as long.
func AppendSafe(dst, line []byte) []byte {
	const hex = "0123456789abcdef"
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			dst = append(dst, line[:n]...)
		} else {
			for _, b := range line[:n] {
				dst = append(dst, '\\', 'x', hex[b>>4], hex[b&0xF])
			}
		}
		line = line[n:]
	}
	return dst
}
