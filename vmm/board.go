package vmm

import (
	"bytes"
	"context"

	"github.com/hfvmm/hfvmm/devices"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// board is what a secondary that boots as a primary does has beside its memory and vCPUs: a UART, whose lines go where
// those of the debug log go. Its GIC is vm.gic.
type board struct {
	vm   *vm
	bus  devices.Bus
	out  *devices.Output
	line []byte // that has not ended
	safe []byte // what is told of it
}

// maxBoardLine is how long a line gets before it is told in parts, bytes.
const maxBoardLine = 1024

// addBoard gives a VM, whose vCPUs exist, its GIC and its UART.
func (v *vm) addBoard() (err error) {
	if v.gic, err = v.kvm.CreateVGICv3(gicDistBase, gicRedistBase, len(v.vcpus), numIRQs); err != nil {
		return err
	}
	b := &board{vm: v}
	b.out = devices.NewOutput(b)
	v.board = b
	return b.bus.Add(uartBase, deviceSize, devices.NewPL011(b.out, boardSPI{v, firstSPI + uartSPI}))
}

// Write implements io.Writer for the UART's output.
func (b *board) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != '\n' {
			b.line = append(b.line, c)
		}
		if c == '\n' || len(b.line) == maxBoardLine {
			b.tell()
		}
	}
	return len(p), nil
}

func (b *board) tell() {
	b.safe = hypercall.AppendSafe(b.safe[:0], bytes.TrimRight(b.line, "\r"))
	b.vm.m.cfg.DebugLog(b.vm.name, b.safe)
	b.line = b.line[:0]
}

// close tells what is left, when no vCPU runs any more.
func (b *board) close(ctx context.Context) error {
	err := b.out.Close(ctx)
	if err == nil && len(b.line) > 0 {
		b.tell()
	}
	return err
}

// boardSPI is the line of a device of a board. A vCPU that does not run takes the interrupt when it is run, which is
// soon: see ffa's idle limit.
type boardSPI struct {
	vm    *vm
	intid uint32
}

// SetLevel implements devices.IRQLine.
func (s boardSPI) SetLevel(high bool) {
	if err := s.vm.kvm.SetIRQLine(kvmarm.IRQSPI, 0, s.intid, high); err != nil {
		s.vm.m.log.Error("cannot raise an interrupt", "vm", s.vm.name, "intid", s.intid, "error", err)
	}
}
