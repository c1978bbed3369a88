package ffa

import "testing"

// Whatever a memory message holds, every page has one claim, stage 2 agrees with it, and mailboxes stay
// with their VMs. The script is a sequence of who sends, to whom, how many of its next bytes.
func FuzzMemoryMessages(f *testing.F) {
	seed := newRig(f, 1, 1)
	g := seed.vms[0][0]
	for kind := range uint16(4) {
		size := g.describe(kind, 1, attrRWX, 1, pagesOf(0, 0, 2), pagesOf(0, 3, 1))
		f.Add(append([]byte{0, 1, byte(size)}, seed.page(txOf(0))[:size]...))
		both := append([]byte{0, 1, byte(size)}, seed.page(txOf(0))[:size]...)
		size = g.describe(msgRelinquish, 0, 0, 0, pagesOf(0, 0, 2), pagesOf(0, 3, 1))
		both = append(both, 1, 0, byte(size))
		f.Add(append(both, seed.page(txOf(0))[:size]...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		r, vm := newOwners(t)
		for len(script) >= 3 {
			from, to, size := script[0]%3, int(script[1]%3), int(script[2])
			script = script[3:]
			n := copy(r.page(txOf(int(from)))[:size], script)
			script = script[n:]
			r.as(vm[from], func() { vm[from].sendMemory(to, uint64(size)) })
			r.drain()
		}
		next := uint64(ramBase)
		for _, h := range r.core.pages {
			if h.Base != next || h.Size == 0 {
				t.Fatalf("holdings %v", r.core.pages)
			}
			next = h.end()
			for a := h.Base; a < h.end(); a += PageSize {
				for i := range r.vms {
					if got, want := r.stage2.access[i][a], h.access(uint16(i)); got != want {
						t.Errorf("page %#x: VM %d has access %03b, its claim says %03b", a, i, got, want)
					}
					if (a == txOf(i) || a == rxOf(i)) && !h.exclusive(uint16(i)) {
						t.Errorf("a mailbox page of VM %d left it", i)
					}
				}
			}
		}
		if next != ramBase+3*vmSize {
			t.Errorf("memory ends at %#x", next)
		}
	})
}
