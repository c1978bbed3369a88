package hostsched

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// The kernel lets only programs with a license that is compatible with its own look into its structures, so
// this one program may be used under either.
const license = "Dual MIT/GPL"

// pidOffset finds where a task has its thread ID.
func pidOffset() (int16, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return 0, err
	}
	var task *btf.Struct
	if err := kernel.TypeByName("task_struct", &task); err != nil {
		return 0, err
	}
	for _, m := range task.Members {
		if m.Name == "pid" {
			return int16(m.Offset.Bytes()), nil
		}
	}
	return 0, errors.New("tasks have no pid")
}

// Arguments of the tracepoint: preempt, prev, next, each in 8 bytes.
const (
	argPrev = 8
	argNext = 16
)

// program marks the flag of the thread that goes, and then that of the one that comes.
func program(threads, current, flags *ebpf.Map) (*ebpf.Program, error) {
	pid, err := pidOffset()
	if err != nil {
		return nil, fmt.Errorf("the kernel's BTF: %w", err)
	}
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	code = append(code, mark("out", argPrev, pid, 1, threads, current, flags)...)
	code = append(code, mark("in", argNext, pid, 0, threads, current, flags)...)
	code = append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("in_done"), asm.Return())
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "hfvmm_switch", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_switch",
		License: license, Instructions: code,
	})
}

// mark stores a value in the flag that is current for the task of an argument, if it is one of ours. It ends at
// the label name_done, which the code that follows has.
func mark(name string, argument, pid int16, value int64, threads, current, flags *ebpf.Map) asm.Instructions {
	done := name + "_done"
	key := asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4)}
	code := asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, argument, asm.DWord),
		asm.LoadMem(asm.R2, asm.R1, pid, asm.Word),
	}
	if name == "in" {
		code[0] = code[0].WithSymbol("out_done")
	}
	lookup := func(m *ebpf.Map, from asm.Register) {
		code = append(code, asm.StoreMem(asm.RFP, -4, from, asm.Word), asm.LoadMapPtr(asm.R1, m.FD()))
		code = append(code, key...)
		code = append(code, asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, done))
	}
	lookup(threads, asm.R2)
	code = append(code, asm.LoadMem(asm.R7, asm.R0, 0, asm.Word))
	lookup(current, asm.R7)
	code = append(code,
		asm.LoadMem(asm.R7, asm.R0, 0, asm.Word),
		asm.JEq.Imm(asm.R7, 0, done),
		asm.Sub.Imm(asm.R7, 1),
		asm.Mov.Reg(asm.R8, asm.R7),
		asm.And.Imm(asm.R8, PageSize/flagSize-1),
		asm.Mul.Imm(asm.R8, flagSize),
		asm.RSh.Imm(asm.R7, 6), // by PageSize/flagSize
	)
	lookup(flags, asm.R7)
	return append(code, asm.Add.Reg(asm.R0, asm.R8), asm.StoreImm(asm.R0, 0, value, asm.Word))
}
