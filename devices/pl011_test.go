package devices

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// uart is a PL011 with its host side.
type uart struct {
	*PL011
	rig
	sent *bytes.Buffer
	host *Output
}

func newUART(t testing.TB) *uart {
	u := &uart{sent: &bytes.Buffer{}}
	u.host = NewOutput(u.sent)
	t.Cleanup(func() { u.host.Close(t.Context()) })
	w := &wire{t: t}
	u.PL011 = NewPL011(u.host, w)
	u.rig = rig{t, u.PL011, w}
	return u
}

// enable switches the UART on with its FIFOs and the given interrupts.
func (u *uart) enable(interrupts uint32) {
	u.set(uartLCRH, lcrFEN)
	u.set(uartIMSC, interrupts)
	u.set(uartCR, crUARTEN|crTXE|crRXE)
}

func (u *uart) input(s string) {
	u.t.Helper()
	if n := u.Input([]byte(s)); n != len(s) {
		u.t.Fatalf("Input took %d of %d bytes", n, len(s))
	}
}

func (u *uart) transmitted() string {
	u.t.Helper()
	if err := u.host.Flush(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
	return u.sent.String()
}

func TestPL011ResetValues(t *testing.T) {
	u := newUART(t)
	for _, r := range []struct {
		name   string
		offset uint64
		want   uint32
	}{
		{"DR", uartDR, 0}, {"RSR", uartRSR, 0}, {"FR", uartFR, frTXFE | frRXFE | frCTS | frDSR | frDCD},
		{"ILPR", uartILPR, 0}, {"IBRD", uartIBRD, 0}, {"FBRD", uartFBRD, 0}, {"LCR_H", uartLCRH, 0},
		{"CR", uartCR, 0x300}, {"IFLS", uartIFLS, 0x12}, {"IMSC", uartIMSC, 0}, {"RIS", uartRIS, 0},
		{"MIS", uartMIS, 0}, {"DMACR", uartDMACR, 0},
		{"PeriphID0", 0xFE0, 0x11}, {"PeriphID1", 0xFE4, 0x10}, {"PeriphID2", 0xFE8, 0x14}, {"PeriphID3", 0xFEC, 0},
		{"PCellID0", 0xFF0, 0x0D}, {"PCellID1", 0xFF4, 0xF0}, {"PCellID2", 0xFF8, 0x05}, {"PCellID3", 0xFFC, 0xB1},
	} {
		u.check(r.name, u.get(r.offset), r.want)
	}
}

func TestPL011RegistersKeepOnlyTheirBits(t *testing.T) {
	u := newUART(t)
	for _, r := range []struct {
		name   string
		offset uint64
		want   uint32
	}{
		{"ILPR", uartILPR, 0xFF}, {"IBRD", uartIBRD, 0xFFFF}, {"FBRD", uartFBRD, 0x3F}, {"LCR_H", uartLCRH, 0xFF},
		{"CR", uartCR, 0xFF87}, {"IFLS", uartIFLS, 0x3F}, {"IMSC", uartIMSC, 0x7FF}, {"DMACR", uartDMACR, 7},
	} {
		u.set(r.offset, 0xFFFF_FFFF)
		u.check(r.name, u.get(r.offset), r.want)
	}
}

func TestPL011TransmitsInOrder(t *testing.T) {
	u := newUART(t)
	for _, c := range []byte("hello") {
		u.set(uartDR, 0xABCD00|uint32(c))
	}
	if got := u.transmitted(); got != "hello" {
		t.Errorf("sent %q", got)
	}
	u.check("FR", u.get(uartFR)&(frTXFE|frTXFF|frBUSY), frTXFE)
}

func TestTransmitInterruptComesFromBytesLeavingTheFIFO(t *testing.T) {
	u := newUART(t)
	u.enable(intTX)
	u.checkLine("enabled and idle", false)
	u.set(uartDR, 'x')
	u.checkLine("after a byte was sent", true)
	u.check("MIS", u.get(uartMIS), intTX)
	u.set(uartICR, intTX)
	u.checkLine("cleared", false)
	u.check("RIS", u.get(uartRIS), 0)
}

func TestFullOutputShowsAsFullTransmitFIFOAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		host := NewOutput(g)
		w := &wire{t: t}
		d := NewPL011(host, w)
		u := &uart{PL011: d, rig: rig{t, d, w}}
		u.enable(intTX)
		for range OutputSize {
			u.set(uartDR, 'x')
		}
		u.set(uartICR, intTX)
		for i := range fifoDepth {
			if f := u.get(uartFR); f&frTXFF != 0 {
				t.Fatalf("full after %d bytes", i)
			}
			u.set(uartDR, uint32('a'+i))
			u.check("FR", u.get(uartFR)&(frTXFE|frBUSY), frBUSY)
		}
		u.check("FR", u.get(uartFR)&frTXFF, frTXFF)
		u.set(uartDR, 'L') // no room: hardware loses it too
		u.checkLine("with a full FIFO", false)
		synctest.Wait()
		close(g.open)
		synctest.Wait()
		u.checkLine("when the FIFO has emptied", true)
		u.check("FR", u.get(uartFR)&(frTXFE|frTXFF|frBUSY), frTXFE)
		if err := host.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := string(g.Bytes()[OutputSize:]); got != "abcdefghijklmnop" {
			t.Errorf("sent %q at last", got)
		}
	})
}

// crawl is a writer on a slow line.
type crawl struct{ bytes.Buffer }

func (c *crawl) Write(p []byte) (int, error) {
	time.Sleep(time.Duration(len(p)) * 100 * time.Microsecond)
	return c.Buffer.Write(p)
}

// Drivers such as Linux's fill the FIFO until FR says full, then write half a FIFO at each interrupt
// without looking.
func TestDriverThatTrustsTheTransmitInterruptLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &crawl{}
		host := NewOutput(line)
		irq := make(edges, 1)
		d := NewPL011(host, irq)
		u := &uart{PL011: d, rig: rig{t: t, device: d}}
		u.enable(0)
		want := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz\n"), 3*OutputSize/37)
		rest := want
		for len(rest) > 0 && u.get(uartFR)&frTXFF == 0 {
			u.set(uartDR, uint32(rest[0]))
			rest = rest[1:]
		}
		u.set(uartIMSC, intTX)
		for len(rest) > 0 {
			if u.get(uartMIS)&intTX == 0 {
				<-irq
				continue
			}
			for _, c := range rest[:min(fifoDepth/2, len(rest))] {
				u.set(uartDR, uint32(c))
				rest = rest[1:]
			}
		}
		for u.get(uartFR)&frBUSY != 0 {
			time.Sleep(time.Millisecond)
		}
		if err := host.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(line.Bytes(), want) {
			t.Errorf("%d bytes arrived of %d, or in another order", line.Len(), len(want))
		}
	})
}

// edges is an interrupt line that delivers when it rises.
type edges chan struct{}

func (e edges) SetLevel(high bool) {
	if high {
		select {
		case e <- struct{}{}:
		default:
		}
	}
}

func TestPL011ReceivesInOrder(t *testing.T) {
	u := newUART(t)
	u.enable(0)
	u.input("abc")
	u.check("FR", u.get(uartFR)&(frRXFE|frRXFF), 0)
	for _, want := range "abc" {
		u.check("DR", u.get(uartDR), uint32(want))
	}
	u.check("FR", u.get(uartFR)&(frRXFE|frRXFF), frRXFE)
	u.check("DR of an empty FIFO", u.get(uartDR), 0)
}

func TestReceiveInterruptFollowsTheTriggerLevel(t *testing.T) {
	for field, level := range []int{2, 4, 8, 12, 14} {
		u := newUART(t)
		u.enable(intRX)
		u.set(uartIFLS, uint32(field)<<3)
		for i := 1; i < level; i++ {
			u.input("x")
			u.checkLine("below the level", false)
		}
		u.input("x")
		u.checkLine("at the level", true)
		u.get(uartDR)
		u.checkLine("below the level again", false)
		u.input("x")
		u.checkLine("at the level again", true)
		u.set(uartICR, intRX)
		u.checkLine("cleared", false)
	}
}

func TestReceiveTimeoutLastsUntilTheFIFOIsEmpty(t *testing.T) {
	u := newUART(t)
	u.enable(intRT)
	u.input("ab")
	u.checkLine("with bytes left over", true)
	u.get(uartDR)
	u.checkLine("with one byte left", true)
	u.get(uartDR)
	u.checkLine("with none left", false)
}

func TestWithoutFIFOsThePL011HoldsOneByte(t *testing.T) {
	u := newUART(t)
	u.set(uartIMSC, intRX)
	u.set(uartCR, crUARTEN|crRXE|crTXE)
	if n := u.Input([]byte("ab")); n != 1 {
		t.Errorf("Input took %d bytes", n)
	}
	u.check("FR", u.get(uartFR)&frRXFF, frRXFF)
	u.checkLine("with a byte", true)
	u.check("DR", u.get(uartDR), 'a')
	u.checkLine("without", false)
}

func TestDisabledReceiverLeavesBytesToTheHost(t *testing.T) {
	for name, cr := range map[string]uint32{
		"no UARTEN": crRXE | crTXE, "no RXE": crUARTEN | crTXE, "loopback": crUARTEN | crRXE | crLBE,
	} {
		u := newUART(t)
		u.enable(0)
		u.set(uartCR, cr)
		if n := u.Input([]byte("a")); n != 0 {
			t.Errorf("%s: Input took %d bytes", name, n)
		}
		select {
		case <-u.InputSpace():
			t.Errorf("%s: told of space", name)
		default:
		}
		u.set(uartCR, crUARTEN|crRXE)
		select {
		case <-u.InputSpace():
		default:
			t.Errorf("%s: not told of space after enabling", name)
		}
		u.input("a")
	}
}

func TestInputIsHeldBackWhileTheFIFOIsFull(t *testing.T) {
	u := newUART(t)
	u.enable(0)
	if n := u.Input(make([]byte, 40)); n != fifoDepth {
		t.Fatalf("Input took %d bytes", n)
	}
	u.check("FR", u.get(uartFR)&frRXFF, frRXFF)
	if n := u.Input([]byte("x")); n != 0 {
		t.Errorf("a full FIFO took %d bytes", n)
	}
	u.check("RIS", u.get(uartRIS)&intOE, 0)
	u.get(uartDR)
	select {
	case <-u.InputSpace():
	default:
		t.Error("not told of space")
	}
	u.get(uartDR)
	select {
	case <-u.InputSpace():
		t.Error("told of space though nobody waits")
	default:
	}
}

// Everything that a host pumps in arrives, in order, whatever the guest does with its FIFO enable.
func TestPumpedInputArrivesComplete(t *testing.T) {
	u := newUART(t)
	u.enable(0)
	want := make([]byte, 5000)
	for i := range want {
		want[i] = byte(i * 3)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := want; len(b) > 0; {
			b = b[u.Input(b):]
			if len(b) > 0 {
				<-u.InputSpace()
			}
		}
	})
	var got []byte
	for i := 0; len(got) < len(want); i++ {
		if u.get(uartFR)&frRXFE == 0 {
			got = append(got, byte(u.get(uartDR)))
		}
		if i%100 == 0 {
			u.set(uartLCRH, u.get(uartLCRH)^lcrFEN)
		}
	}
	wg.Wait()
	if !bytes.Equal(got, want) {
		t.Error("bytes were lost or out of order")
	}
}

func TestLoopbackReceivesWhatItSends(t *testing.T) {
	u := newUART(t)
	u.enable(0)
	u.set(uartCR, crUARTEN|crRXE|crTXE|crLBE)
	u.set(uartDR, 'q')
	u.check("DR", u.get(uartDR), 'q')
	if got := u.transmitted(); got != "" {
		t.Errorf("sent %q to the line", got)
	}
}

func TestOverrunIsReportedAndCleared(t *testing.T) {
	u := newUART(t)
	u.enable(intOE)
	u.set(uartCR, crUARTEN|crRXE|crTXE|crLBE)
	for range fifoDepth + 1 {
		u.set(uartDR, 'x')
	}
	u.checkLine("after an overrun", true)
	u.check("RSR", u.get(uartRSR), rsrOE)
	u.check("first DR", u.get(uartDR), 'x')
	u.set(uartDR, 'y')
	for range fifoDepth - 1 {
		u.check("DR", u.get(uartDR), 'x')
	}
	u.check("DR after the gap", u.get(uartDR), 'y'|drOE)
	u.set(uartRSR, 0)
	u.check("RSR", u.get(uartRSR), 0)
	u.set(uartICR, intOE)
	u.checkLine("cleared", false)
}

func TestModemOutputsLoopBackToModemInputs(t *testing.T) {
	for _, m := range modem {
		u := newUART(t)
		u.enable(0)
		u.set(uartCR, crLBE)
		u.check("FR", u.get(uartFR)&(frRI|frCTS|frDCD|frDSR), 0)
		u.set(uartICR, intAll)
		u.set(uartCR, crLBE|m.output)
		u.check("FR", u.get(uartFR)&(frRI|frCTS|frDCD|frDSR), m.flag)
		u.check("RIS", u.get(uartRIS), m.interrupt)
	}
}

func TestPL011IgnoresOddAccesses(t *testing.T) {
	u := newUART(t)
	u.enable(intRX | intRT)
	u.input("z")
	for _, a := range []struct {
		offset uint64
		size   int
	}{
		{uartDR, 8}, {1, 1}, {2, 2}, {3, 4}, {uartDR, 0}, {uartDR, 3}, {uartDR, -4},
		{0x4C, 4}, {0x1000, 4}, {1 << 63, 4}, {^uint64(0) - 3, 4},
	} {
		u.Write(a.offset, a.size, ^uint64(0))
		if v := u.Read(a.offset, a.size); v != 0 {
			t.Errorf("read of %d at %#x gives %#x", a.size, a.offset, v)
		}
	}
	if got := u.transmitted(); got != "" {
		t.Errorf("sent %q", got)
	}
	u.check("DR", u.get(uartDR), 'z')
}

func TestPL011AnswersNarrowAccesses(t *testing.T) {
	u := newUART(t)
	u.Write(uartIBRD, 2, 0xFFFF_1234)
	if v := u.Read(uartIBRD, 1); v != 0x34 {
		t.Errorf("byte read gives %#x", v)
	}
	if v := u.Read(uartIBRD, 2); v != 0x1234 {
		t.Errorf("half read gives %#x", v)
	}
	u.Write(uartIBRD, 1, 0xFFFF)
	if v := u.Read(uartIBRD, 4); v != 0xFF {
		t.Errorf("after a byte write: %#x", v)
	}
}

func TestPL011DoesNotAllocate(t *testing.T) {
	u := newUART(t)
	u.enable(intTX | intRX | intRT)
	in := []byte("x")
	if n := testing.AllocsPerRun(1000, func() {
		u.Input(in)
		u.get(uartFR)
		u.get(uartDR)
		u.set(uartDR, 'x')
		u.set(uartICR, intTX)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// The line is high exactly when MIS is not 0, whatever the guest and the host do.
func TestPL011LineFollowsMIS(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := newUART(t)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch offset := rapid.SampledFrom([]uint64{uartDR, uartRSR, uartLCRH, uartCR, uartIFLS, uartIMSC, uartICR}).Draw(rt, "register"); {
			case rapid.Bool().Draw(rt, "host"):
				u.Input(make([]byte, rapid.IntRange(0, 20).Draw(rt, "bytes")))
			case rapid.Bool().Draw(rt, "read"):
				u.get(offset)
			default:
				u.set(offset, rapid.Uint32Range(0, 0xFFFF).Draw(rt, "value"))
			}
			if mis := u.get(uartMIS); u.wire.high != (mis != 0) {
				rt.Fatalf("MIS is %#x and the line %v", mis, u.wire.high)
			}
		}
	})
}

func FuzzPL011(f *testing.F) {
	f.Add([]byte("\x30\x00\x04\x01\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		u := newUART(t)
		fuzzDevice(u, ops, func(p []byte) { u.Input(p) })
		if mis := u.get(uartMIS); u.wire.high != (mis != 0) {
			t.Errorf("MIS is %#x and the line %v", mis, u.wire.high)
		}
	})
}

// fuzzDevice plays ops, 8 bytes each, on d: what to do, width, offset and value.
func fuzzDevice(d Device, ops []byte, host func([]byte)) {
	for ; len(ops) >= 8; ops = ops[8:] {
		size := int(int8(ops[1]))
		offset := uint64(binary.LittleEndian.Uint16(ops[2:]))
		value := uint64(binary.LittleEndian.Uint32(ops[4:]))
		switch ops[0] % 3 {
		case 0:
			d.Read(offset, size)
		case 1:
			d.Write(offset, size, value)
		case 2:
			host(ops[:8])
		}
	}
}
