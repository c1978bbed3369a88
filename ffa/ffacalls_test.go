package ffa

import (
	"bytes"
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

func fails(st status) []uint64 {
	return []uint64{fid(ffaError), 0, uint64(uint32(ffaCodes[st])), 0, 0, 0, 0, 0}
}

func succeeds(x ...uint64) []uint64 { return append([]uint64{fid(ffaSuccess), 0}, x...) }

// Each call is the only one in a machine of the primary and a secondary, which it does not reach.
func TestFFACallsReturnAtOnceWith(t *testing.T) {
	secure := func(cfg *Config) { cfg.Partitions[1].Secure = true }
	interrupts := func(cfg *Config) {
		cfg.Partitions[0].NPI, cfg.Partitions[0].SRI = 8, 9
		cfg.Partitions[1].ManagedExit, cfg.Partitions[1].NPI = true, NPIIRQ
	}
	of := func(v wire.Version) func(*Config) {
		return func(cfg *Config) {
			for i := range cfg.Partitions {
				cfg.Partitions[i].Endpoint.Version = v
			}
		}
	}
	for _, c := range []struct {
		name string
		edit func(*Config)
		vm   int
		fn   hypercall.FuncID
		args []uint64
		want []uint64
	}{
		{"VERSION 1.2", nil, 0, ffaVersion, []uint64{0x10002}, []uint64{0x10002, 0, 0, 0, 0, 0, 0, 0}},
		{"VERSION of a later minor version", nil, 0, ffaVersion, []uint64{0x10007}, []uint64{0x10002}},
		{"VERSION of another major version", nil, 0, ffaVersion, []uint64{0x20000}, []uint64{1<<32 - 1}},
		{"VERSION with bit 31", nil, 0, ffaVersion, []uint64{0x80010002}, []uint64{1<<32 - 1}},
		{"VERSION by SMC64, which does not exist", nil, 0, ffaVersion | hypercall.SMC64, []uint64{0x10002}, fails(notSupported)},
		{"ID_GET of the primary", nil, 0, ffaIDGet, nil, succeeds(1, 0, 0, 0, 0, 0)},
		{"ID_GET of a secondary", nil, 1, ffaIDGet, nil, succeeds(2)},
		{"ID_GET of a secure partition", secure, 1, ffaIDGet, nil, succeeds(0x8001)},
		{"SPM_ID_GET of a VM", nil, 1, ffaSPMIDGet, nil, fails(notSupported)},
		{"SPM_ID_GET of a secure partition", secure, 1, ffaSPMIDGet, nil, succeeds(0x8000)},
		{"FEATURES of RXTX_MAP", nil, 0, ffaFeatures, []uint64{fid(ffaRXTXMap | hypercall.SMC64)}, succeeds(16 << 16)},
		{"FEATURES of RXTX_MAP in 1.1", of(v11), 0, ffaFeatures, []uint64{fid(ffaRXTXMap)}, succeeds(0)},
		{"FEATURES of a function of 1.2 in 1.1", of(v11), 0, ffaFeatures, []uint64{fid(ffaDirectReq2 | hypercall.SMC64)}, fails(notSupported)},
		{"FEATURES of a function of 1.2", nil, 0, ffaFeatures, []uint64{fid(ffaDirectReq2 | hypercall.SMC64)}, succeeds(0)},
		{"FEATURES of the SMC32 form of one that has none", nil, 0, ffaFeatures, []uint64{fid(ffaDirectReq2)}, fails(notSupported)},
		{"FEATURES of BITMAP_CREATE, which only hypervisors call", nil, 0, ffaFeatures, []uint64{0x8400007D}, fails(notSupported)},
		{"FEATURES of SUCCESS", nil, 0, ffaFeatures, []uint64{fid(ffaSuccess | hypercall.SMC64)}, succeeds(0)},
		{"FEATURES of an unknown function", nil, 0, ffaFeatures, []uint64{0x84000099}, fails(notSupported)},
		{"FEATURES of no function of FF-A", nil, 0, ffaFeatures, []uint64{0x84000000}, fails(notSupported)},
		{"FEATURES of NPI without one", nil, 0, ffaFeatures, []uint64{1}, fails(notSupported)},
		{"FEATURES of NPI", interrupts, 0, ffaFeatures, []uint64{1}, succeeds(8)},
		{"FEATURES of SRI", interrupts, 0, ffaFeatures, []uint64{2}, succeeds(9)},
		{"FEATURES of SRI for a secondary", interrupts, 1, ffaFeatures, []uint64{2}, fails(notSupported)},
		{"FEATURES of NPI for a secondary", interrupts, 1, ffaFeatures, []uint64{1}, succeeds(5)},
		{"FEATURES of the managed exit", interrupts, 1, ffaFeatures, []uint64{3}, succeeds(4)},
		{"FEATURES of the managed exit for the primary", interrupts, 0, ffaFeatures, []uint64{3}, fails(notSupported)},
		{"FEATURES of another feature", nil, 0, ffaFeatures, []uint64{4}, fails(notSupported)},
		{"RXTX_MAP of no pages", nil, 0, ffaRXTXMap, []uint64{txOf(0), rxOf(0), 0}, fails(invalid)},
		{"RXTX_MAP of 17 pages", nil, 0, ffaRXTXMap, []uint64{txOf(0), rxOf(0), 17}, fails(invalid)},
		{"RXTX_MAP unaligned", nil, 0, ffaRXTXMap, []uint64{txOf(0) + 8, rxOf(0), 1}, fails(invalid)},
		{"RXTX_MAP of overlapping buffers", nil, 0, ffaRXTXMap, []uint64{txOf(0), rxOf(0), 2}, fails(invalid)},
		{"RXTX_MAP of another VM's memory", nil, 0, ffaRXTXMap, []uint64{txOf(0), rxOf(1), 1}, fails(invalid)},
		{"RXTX_MAP beyond its memory", nil, 0, ffaRXTXMap, []uint64{txOf(0), txOf(0) + 4*PageSize, 5}, fails(invalid)},
		{"RXTX_MAP with an address that SMC32 cuts", nil, 0, ffaRXTXMap, []uint64{txOf(0) | 1<<40, rxOf(0), 1}, succeeds(0)},
		{"RXTX_MAP with the same address", nil, 0, ffaRXTXMap | hypercall.SMC64, []uint64{txOf(0) | 1<<40, rxOf(0), 1}, fails(invalid)},
		{"RXTX_MAP of 4 pages", nil, 0, ffaRXTXMap | hypercall.SMC64, []uint64{txOf(0), txOf(0) + 4*PageSize, 4}, succeeds(0)},
		{"RXTX_UNMAP of nothing", nil, 0, ffaRXTXUnmap, nil, fails(invalid)},
		{"RX_RELEASE of nothing", nil, 0, ffaRXRelease, nil, fails(denied)},
		{"RX_ACQUIRE, which only hypervisors call", nil, 0, 0x84000084, nil, fails(notSupported)},
		{"MSG_WAIT of the primary", nil, 0, ffaMsgWait, nil, fails(notSupported)},
		{"MSG_POLL in 1.2", nil, 1, ffaMsgPoll, nil, fails(notSupported)},
		{"MSG_POLL in 1.0", of(v10), 1, ffaMsgPoll, nil, fails(retry)},
		{"MSG_SEND2 in 1.0", of(v10), 1, ffaMsgSend2, nil, fails(notSupported)},
		{"MSG_SEND2 without buffers", nil, 1, ffaMsgSend2, nil, fails(denied)},
		{"YIELD of the primary", nil, 0, ffaYield, nil, succeeds(0)},
		{"RUN of the primary", nil, 0, ffaRun, []uint64{1 << 16}, fails(invalid)},
		{"RUN of no VM", nil, 0, ffaRun, []uint64{7 << 16}, fails(invalid)},
		{"RUN of no vCPU", nil, 0, ffaRun, []uint64{2<<16 | 4}, fails(invalid)},
		{"RUN of a vCPU that is off", nil, 0, ffaRun, []uint64{2<<16 | 1}, fails(invalid)},
		{"RUN by a secondary", nil, 1, ffaRun, []uint64{2<<16 | 1}, fails(denied)},
		{"request in somebody's name", nil, 0, ffaDirectReq, []uint64{3<<16 | 2}, fails(invalid)},
		{"request to oneself", nil, 0, ffaDirectReq, []uint64{1<<16 | 1}, fails(invalid)},
		{"request to nobody", nil, 0, ffaDirectReq, []uint64{1<<16 | 9}, fails(invalid)},
		{"framework message", nil, 0, ffaDirectReq, []uint64{1<<16 | 2, 0x80000008}, fails(invalid)},
		{"request to the primary", nil, 1, ffaDirectReq, []uint64{2<<16 | 1}, fails(denied)},
		{"request to a protocol that it does not know", nil, 0, ffaDirectReq2 | hypercall.SMC64, []uint64{1<<16 | 2, 5, 6}, fails(invalid)},
		{"response to nobody", nil, 1, ffaDirectResp, []uint64{2<<16 | 1}, fails(denied)},
		{"response of the primary", nil, 0, ffaDirectResp, []uint64{1<<16 | 2}, fails(notSupported)},
		{"CONSOLE_LOG of nothing", nil, 1, ffaConsoleLog, []uint64{0}, fails(invalid)},
		{"CONSOLE_LOG of more than fits", nil, 1, ffaConsoleLog, []uint64{25}, fails(invalid)},
		{"MEM_PERM_GET, which is for EL0", nil, 1, 0x84000088, nil, fails(notSupported)},
		{"NORMAL_WORLD_RESUME", nil, 0, 0x8400007C, nil, fails(notSupported)},
		{"INTERRUPT", nil, 0, ffaInterrupt, nil, fails(notSupported)},
		{"an unknown function", nil, 0, 0xC40000FF, nil, fails(notSupported)},
		{"HF_INTERRUPT_ENABLE", nil, 1, hafInterruptEnable, []uint64{5, 1}, []uint64{0}},
		{"HF_INTERRUPT_ENABLE of no INTID", nil, 1, hafInterruptEnable, []uint64{64, 1}, []uint64{failed}},
		{"HF_INTERRUPT_GET of nothing", nil, 1, hafInterruptGet, nil, []uint64{NoINTID}},
		{"an unknown call of Hafnium", nil, 1, 0xFF01, nil, []uint64{failed}},
		{"NOTIFICATION_INFO_GET of nothing", nil, 0, ffaNotificationInfoGet, nil, fails(noData)},
		{"NOTIFICATION_GET of another VM", nil, 0, ffaNotificationGet, []uint64{2, 15}, fails(invalid)},
		{"NOTIFICATION_GET with unknown flags", nil, 0, ffaNotificationGet, []uint64{1, 16}, fails(invalid)},
		{"NOTIFICATION_GET of nothing", nil, 0, ffaNotificationGet, []uint64{1, 15}, succeeds(0, 0, 0, 0, 0, 0)},
		{"NOTIFICATION_GET in 1.0", of(v10), 0, ffaNotificationGet, []uint64{1, 15}, fails(notSupported)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFFARig(t, c.edit, 1, 2)
			g := r.guest(c.vm)
			if c.vm != primary {
				r.core.vms[c.vm].vcpus[0].start(r.guest(primary).core(), &ffa{r.core})
			}
			g.returns(c.name, c.fn, c.args, c.want...)
		})
	}
}

func TestVersionIsLockedOnceItIsUsed(t *testing.T) {
	r := newFFARig(t, nil, 1)
	p := r.guest(0)
	p.returns("a first version", ffaVersion, []uint64{0x10001}, 0x10002)
	p.returns("another one", ffaVersion, []uint64{0x10002}, 0x10002)
	p.returns("its use", ffaIDGet, nil, succeeds(1)...)
	p.returns("one that is different", ffaVersion, []uint64{0x10001}, 1<<32-1)
	p.returns("the same", ffaVersion, []uint64{0x10002}, 0x10002)
	p.returns("a later one, which comes down to the same", ffaVersion, []uint64{0x10005}, 0x10002)
}

func TestConsoleLogPrintsItsCharacters(t *testing.T) {
	var got []byte
	r := newFFARig(t, func(cfg *Config) { cfg.Console = console(func(vm int, chars []byte) { got = append(got, chars...) }) }, 1)
	r.guest(0).returns("SMC32", ffaConsoleLog, []uint64{6, 0xFF_64636261, 0x6665}, succeeds(0)...)
	if string(got) != "abcdef" {
		t.Errorf("printed %q", got)
	}
	got = nil
	args := []uint64{128}
	for range 16 {
		args = append(args, 0x3736353433323130)
	}
	r.guest(0).returns("SMC64", ffaConsoleLog|hypercall.SMC64, args, succeeds(0)...)
	if len(got) != 128 || string(got[120:]) != "01234567" {
		t.Errorf("printed %q", got)
	}
}

type console func(vm int, chars []byte)

func (c console) Print(vm int, chars []byte) { c(vm, chars) }

func TestUnmappedBuffersCanBeMappedAgain(t *testing.T) {
	r := newFFARig(t, nil, 1)
	p := r.guest(0)
	m := []uint64{txOf(0), rxOf(0), 1}
	p.returns("map", ffaRXTXMap, m, succeeds(0)...)
	p.denies("map twice", denied, ffaRXTXMap, m...)
	p.denies("unmap for somebody", invalid, ffaRXTXUnmap, 1<<16)
	p.returns("unmap", ffaRXTXUnmap, nil, succeeds(0)...)
	p.returns("map again", ffaRXTXMap, m, succeeds(0)...)
}

func TestReceiveBufferOfASecondaryIsReadOnlyWhileItIsMapped(t *testing.T) {
	r := newFFARig(t, nil, 1, 2)
	p, a := r.guest(0), r.guest(1)
	may := func(what string, vm int, page uint64, want Access) {
		t.Helper()
		c, _ := r.core.pages.claim(Span{page, PageSize})
		if got := r.stage2.access[vm][page]; got != want || c.own != want {
			t.Errorf("%s: VM %d may %03b with page %#x, by the books %03b, want %03b", what, vm, got, page, c.own, want)
		}
	}
	buffers := func(vm int) []uint64 { return []uint64{ramOf(vm).Base, ramOf(vm).Base + 4*PageSize, 2} }
	p.returns("map", ffaRXTXMap, buffers(0), succeeds(0)...)
	may("the primary", 0, buffers(0)[1], FullAccess)
	r.run(p, a)
	r.stage2.full = true
	a.denies("map without memslots", noMemory, ffaRXTXMap, buffers(1)...)
	may("nothing is mapped", 1, buffers(1)[1], FullAccess)
	a.returns("map", ffaRXTXMap, buffers(1), succeeds(0)...)
	may("TX", 1, buffers(1)[0], FullAccess)
	for n := range uint64(2) {
		may("RX", 1, buffers(1)[1]+n*PageSize, Read)
	}
	may("behind RX", 1, buffers(1)[1]+2*PageSize, FullAccess)
	a.returns("start of a vCPU in RX", hypercall.PSCICPUOn|hypercall.SMC64, []uint64{1, buffers(1)[1], 0}, hypercall.PSCIInvalidAddress.X())
	r.stage2.full = true
	a.denies("unmap without memslots", noMemory, ffaRXTXUnmap)
	a.denies("it is mapped still", denied, ffaRXTXMap, buffers(1)...)
	a.returns("unmap", ffaRXTXUnmap, nil, succeeds(0)...)
	may("no buffer", 1, buffers(1)[1], FullAccess)
	if len(r.core.pages) != 2 {
		t.Errorf("%d holdings, want one for each VM", len(r.core.pages))
	}
}

// services gives VM 1 two protocols and VM 2 the second of them.
func services(cfg *Config) {
	a, b := wire.UUID{1}, wire.UUID{2}
	cfg.Partitions[1].Services = []Service{{a, wire.ReceivesDirect}, {b, wire.Indirect | wire.ReceivesDirect2}}
	cfg.Partitions[2].Services = []Service{{b, AllMethods}}
}

func TestPartitionsAreDescribedByTheCallersVersion(t *testing.T) {
	for _, c := range []struct {
		version wire.Version
		uuid    wire.UUID
		want    []wire.PartitionInfo
	}{
		{v10, wire.UUID{}, []wire.PartitionInfo{{ID: 1, VCPUs: 2, Properties: 6}, {ID: 2, VCPUs: 1, Properties: 1}, {ID: 2, VCPUs: 1, Properties: 4}, {ID: 3, VCPUs: 1, Properties: 7}}},
		{v11, wire.UUID{}, []wire.PartitionInfo{{ID: 2, VCPUs: 1, Properties: 0x109, UUID: wire.UUID{1}}, {ID: 2, VCPUs: 1, Properties: 0x10C, UUID: wire.UUID{2}}, {ID: 3, VCPUs: 1, Properties: 0x10F, UUID: wire.UUID{2}}}},
		{v12, wire.UUID{2}, []wire.PartitionInfo{{ID: 2, VCPUs: 1, Properties: 0x30C}, {ID: 3, VCPUs: 1, Properties: 0x70F}}},
		{wire.Version13, wire.UUID{1}, []wire.PartitionInfo{{ID: 2, VCPUs: 1, Properties: 0x109, Version: v12}}},
	} {
		t.Run(c.version.String(), func(t *testing.T) {
			r := newFFARig(t, func(cfg *Config) {
				services(cfg)
				cfg.Version, cfg.Partitions[0].Endpoint.Version = wire.Version13, c.version
			}, 2, 1, 1)
			p := r.guest(0)
			args := []uint64{uint64(c.uuid[0]), 0, 0, 0, 0}
			p.denies("without a buffer", busy, ffaPartitionInfoGet, args...)
			p.returns("map", ffaRXTXMap, []uint64{txOf(0), rxOf(0), 1}, succeeds(0)...)
			size := uint64(wire.PartitionInfoSize(c.version))
			if c.version >= v11 {
				args[4] = countOnly
				p.returns("count", ffaPartitionInfoGet, args, succeeds(uint64(len(c.want)), 0)...)
				args[4] = 2
				p.denies("unknown flags", invalid, ffaPartitionInfoGet, args...)
				args[4] = 0
			} else {
				size = 0
			}
			p.returns("list", ffaPartitionInfoGet, args, succeeds(uint64(len(c.want)), size)...)
			p.denies("list before the release", busy, ffaPartitionInfoGet, args...)
			list := r.page(rxOf(0))
			for _, info := range c.want {
				want := make([]byte, wire.PartitionInfoSize(c.version))
				if info.Encode(want, c.version); !bytes.HasPrefix(list, want) {
					t.Errorf("descriptor % x, want % x of %+v", list[:len(want)], want, info)
				}
				list = list[len(want):]
			}
			p.returns("release", ffaRXRelease, nil, succeeds(0)...)
			p.denies("no such protocol", invalid, ffaPartitionInfoGet, 77)
		})
	}
}

// Seven partitions are more than the five that registers take.
func TestPartitionsComeInRegistersFromAnIndexOn(t *testing.T) {
	r := newFFARig(t, nil, 1, 1, 1, 1, 1, 1, 1)
	p, fn := r.guest(0), ffaPartitionInfoRegs|hypercall.SMC64
	const size, tag = 24 << 48, uint64(wire.InfoTag) << 32
	p.returns("first", fn, nil, fid(ffaSuccess|hypercall.SMC64), 0, 6|4<<16|tag|size, 1|1<<16|0x50E<<32)
	if got := p.x[15]; uint16(got) != 5 {
		t.Errorf("the last one is %#x", got)
	}
	p.returns("rest", fn, []uint64{0, 0, 5 | wire.InfoTag<<16}, fid(ffaSuccess|hypercall.SMC64), 0, 6|6<<16|tag|size)
	if uint16(p.x[3]) != 6 || uint16(p.x[6]) != 7 || p.x[9] != 0 {
		t.Errorf("rest: %#x", p.x)
	}
	p.denies("another list", retry, fn, 0, 0, 5|7<<16)
	p.denies("beyond the end", invalid, fn, 0, 0, 7|wire.InfoTag<<16)
}

func TestVMThatSchedulesItselfIsNotInItsOwnList(t *testing.T) {
	for _, c := range []struct {
		name     string
		npi, sri uint32
		vms      []int
		want     uint64
	}{
		{"NPI", 8, 0, []int{1, 1}, 2},
		{"both", 8, 9, []int{1, 1}, 2},
		{"SRI", 0, 9, []int{1, 1}, 1},
		{"SRI, alone", 0, 9, []int{1}, 1},
	} {
		r := newFFARig(t, func(cfg *Config) { cfg.Partitions[0].NPI, cfg.Partitions[0].SRI = c.npi, c.sri }, c.vms...)
		r.guest(0).returns(c.name, ffaPartitionInfoGet, []uint64{0, 0, 0, 0, countOnly}, succeeds(c.want)...)
	}
}

func TestNobodyNegotiatesMoreThanTheMachineOffers(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) { cfg.Version = v11 }, 1)
	p := r.guest(0)
	p.denies("a function of 1.2 before VERSION", notSupported, ffaPartitionInfoRegs|hypercall.SMC64)
	p.returns("version", ffaVersion, []uint64{0x10002}, 0x10001)
	p.denies("a function of 1.2 after it", notSupported, ffaPartitionInfoRegs|hypercall.SMC64)
	p.returns("a function of 1.1", ffaNotificationGet, []uint64{1, 15}, succeeds(0)...)
}
