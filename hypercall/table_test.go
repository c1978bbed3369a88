package hypercall

import "testing"

// fixed is a service that answers with a number.
type fixed struct {
	ranges []Range
	x0     uint64
}

func (f fixed) Ranges() []Range { return f.ranges }

func (f fixed) Call(v *VCPU, _ FuncID, _ Conduit) Outcome {
	v.Regs.SetX(0, f.x0)
	return Outcome{}
}

func TestDispatchFindsTheServiceOfEveryFunction(t *testing.T) {
	table, err := NewTable(
		fixed{[]Range{{0xC4000000, 0x20}, {0x84000000, 0x20}}, 1},
		fixed{[]Range{{0xFF00, 0x10}}, 2},
		fixed{[]Range{{0x84000020, 1}}, 3},
		fixed{[]Range{{0xFFFFFFFF, 1}}, 4},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fn FuncID
		x0 uint64
	}{
		{0, NotSupported}, {0xFEFF, NotSupported}, {0xFF00, 2}, {0xFF0F, 2}, {0xFF10, NotSupported},
		{0x83FFFFFF, NotSupported}, {0x84000000, 1}, {0x8400001F, 1}, {0x84000020, 3}, {0x84000021, NotSupported},
		{0xC3FFFFFF, NotSupported}, {0xC4000000, 1}, {0xC400001F, 1}, {0xC4000020, NotSupported},
		{0xFFFFFFFE, NotSupported}, {0xFFFFFFFF, 4},
	} {
		g := newGuest(0, 0)
		table.Dispatch(&g.VCPU, c.fn, HVC)
		if got := g.Regs.X(0); got != c.x0 {
			t.Errorf("%#08x: x0 = %#x, want %#x", uint32(c.fn), got, c.x0)
		}
	}
	rs := table.Ranges()
	for i := 1; i < len(rs); i++ {
		if rs[i-1].First >= rs[i].First {
			t.Errorf("ranges %v and %v are out of order", rs[i-1], rs[i])
		}
	}
}

func TestNewTableRefusesOverlappingRanges(t *testing.T) {
	if _, err := NewTable(fixed{ranges: []Range{{0xFF00, 0x10}}}, fixed{ranges: []Range{{0xFF0F, 1}}}); err == nil {
		t.Error("overlap accepted")
	}
}

func TestDispatchAllocatesNothing(t *testing.T) {
	p, g := newPSCI(t, 2)
	d := NewDebugLog(1, func(int, []byte) {})
	table, err := NewTable(p, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		fn   FuncID
		x1   uint64
	}{
		{"version", PSCIVersion, 0}, {"features", PSCIFeatures, uint64(PSCICPUOn)}, {"cpu_on", PSCICPUOn | SMC64, 0},
		{"affinity_info", PSCIAffinityInfo | SMC64, 1}, {"suspend", PSCICPUSuspend, 0}, {"putc", DebugLogPutc, 'x'},
		{"newline", DebugLogPutc, '\n'}, {"unknown", 0xFF00, 0},
	} {
		v := g[0]
		if n := testing.AllocsPerRun(100, func() {
			v.Regs.Forget()
			v.bank.x[1] = c.x1
			table.Dispatch(&v.VCPU, c.fn, HVC)
			v.Regs.Flush()
		}); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}
