package hypercall

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode"
)

// Whatever the primary's vCPUs call, with whatever in their registers: nothing panics, only x0 changes, one
// that is off is switched on once and begins where it was told to, and everything else goes on.
func FuzzPSCI(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0x43, 1, 0, 0, 0, 1, 2, 0, 0x43, 1, 0, 0, 0, 1, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0})
	f.Add([]byte{2, 0x43, 1, 0, 0, 0, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0x52, 0, 0, 0, 0, 0, 0, 0, 10, 3, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		const vcpus = 3
		p, g := newPSCI(t, vcpus)
		table, err := NewTable(p)
		if err != nil {
			t.Fatal(err)
		}
		on := []bool{true, false, false}
		for ; len(script) >= 8; script = script[8:] {
			who, fn, args := int(script[0]%vcpus), script[1], script[2:8]
			if !on[who] {
				continue
			}
			v := g[who]
			id := PSCIVersion + FuncID(fn&0x1F)
			if fn&0x40 != 0 {
				id |= SMC64
			}
			x := &v.bank.x
			x[0] = uint64(id)
			for i := range 3 {
				x[1+i] = fuzzArgument(args[i], args[3+i])
			}
			before := *x
			v.Regs.Forget()
			out := table.Dispatch(&v.VCPU, id, Conduit(fn>>7))
			v.Regs.Flush()
			if !slices.Equal(before[1:], x[1:]) {
				t.Fatalf("%#x changed registers\n%#x to\n%#x", id, before, *x)
			}
			if out.VCPU != nil || out.Action == Enter || out.Action == Leave || (out.Action == Stop) != (out.Reason != 0) {
				t.Fatalf("%#x: outcome %+v", id, out)
			}
			if out.Action == Off {
				on[who] = false
			}
			if w := out.Wake; w != nil {
				boot, ok := w.TakeBoot()
				if on[w.ID.Index] || !ok || boot.Entry%4 != 0 || boot.X0 != before[3] && boot.X0 != uint64(uint32(before[3])) {
					t.Fatalf("%#x%#x wakes vCPU %d, which is on: %v, from %+v (%v)", id, before[1:4], w.ID.Index, on[w.ID.Index], boot, ok)
				}
				on[w.ID.Index] = true
			} else if out == (Outcome{}) && id&^SMC64 == PSCICPUOn && x[0] == 0 {
				t.Fatalf("CPU_ON succeeds and nobody is woken")
			}
		}
	})
}

// fuzzArgument makes a register out of two bytes: small, an address, an affinity or wild.
func fuzzArgument(b, kind byte) uint64 {
	switch kind & 3 {
	case 0:
		return uint64(b)
	case 1:
		return 0x4000_0000 + uint64(b)<<10 | uint64(kind>>4&3)
	case 2:
		return 0xFFFF_FFFF_0000_0000 | uint64(b&3)
	}
	return binary.LittleEndian.Uint64([]byte{b, kind, b, kind, b, kind, b, kind})
}

// Whatever VMs print, every newline ends a line, lines are of one VM, no longer than may be, and nothing in them
// moves a terminal's cursor.
func FuzzDebugLog(f *testing.F) {
	f.Add([]byte("\x00h\x01w\x00i\x01o\x00\n\x01\n"))
	f.Add([]byte{0, 0, 0, 0xFF, 0, '\r', 1, '\n'})
	f.Add(bytes.Repeat([]byte{1, 0x1B}, DebugLogLine+1))
	f.Fuzz(func(t *testing.T, script []byte) {
		var lines, newlines, printed, taken [2]int
		d := NewDebugLog(2, func(vm int, line []byte) {
			lines[vm]++
			if len(line) > 4*DebugLogLine {
				t.Errorf("a line of %d bytes", len(line))
			}
			for _, r := range string(line) {
				if r != '\t' && !unicode.IsPrint(r) {
					t.Errorf("line %q", line)
				}
			}
			taken[vm] += len(line)
		})
		g := [2]*guest{newGuest(0, 0), newGuest(1, 0)}
		for ; len(script) >= 2; script = script[2:] {
			vm, c := script[0]&1, script[1]
			if x0, out := g[vm].call(d, DebugLogPutc, uint64(c)|0xABCD_EF00); x0 != 0 || out != (Outcome{}) {
				t.Fatalf("x0 = %#x, outcome %+v", x0, out)
			}
			newlines[vm] += count(c == '\n')
			printed[vm] += count(c != '\n' && c != 0 && c != '\r')
		}
		for vm := range lines {
			if lines[vm] < newlines[vm] || taken[vm]+DebugLogLine < printed[vm] {
				t.Errorf("VM %d: %d lines for %d newlines, %d of %d characters", vm, lines[vm], newlines[vm], taken[vm], printed[vm])
			}
		}
	})
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
