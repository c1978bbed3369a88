package boot

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// partitionProperty is a property whose value is read.
type partitionProperty struct {
	name  string
	value []byte
}

func (p partitionProperty) number(least, most uint64) (uint64, error) {
	var n uint64
	switch len(p.value) {
	case 4:
		n = uint64(binary.BigEndian.Uint32(p.value))
	case 8:
		n = binary.BigEndian.Uint64(p.value)
	default:
		return 0, fmt.Errorf("its property %s is not a number; write %s = <…>", p.name, p.name)
	}
	if n < least || n > most {
		return 0, fmt.Errorf("its property %s is %#x; give it %#x to %#x", p.name, n, least, most)
	}
	return n, nil
}

// readMessaging reads how messages reach the services that the UUIDs name: each in its own way, or all in one.
func (m *PartitionManifest) readMessaging(p partitionProperty) error {
	each := len(p.value) > 4 && len(p.value) == 4*len(m.Services)
	for i := range m.Services {
		value := p.value
		if each {
			value = value[4*i:][:4]
		}
		var err error
		if m.Services[i].Messaging, err = (partitionProperty{p.name, value}).messaging(); err != nil {
			return err
		}
	}
	return nil
}

func (p partitionProperty) messaging() (uint32, error) {
	if len(p.value) > 4 {
		return 0, fmt.Errorf("its property %s has %d cells; write one, or one for each UUID", p.name, len(p.value)/4)
	}
	n, err := p.number(0, 1<<32-1)
	if err == nil && n&^messagingKnown != 0 {
		err = fmt.Errorf("its property %s has the unknown bits %#x; clear them", p.name, n&^messagingKnown)
	}
	return uint32(n), err
}

func (m *PartitionManifest) readVersion(p partitionProperty) error {
	n, err := p.number(1<<16, 1<<16|2)
	m.Version = uint32(n)
	return err
}

func (m *PartitionManifest) readContexts(p partitionProperty) error {
	n, err := p.number(1, maxManifestVCPUs)
	m.Contexts = int(n)
	return err
}

func (m *PartitionManifest) readLevel(p partitionProperty) error {
	err := oneOf(0, "EL1", secureEL1, "S-EL1")(m, p)
	if n, _ := p.number(0, secureEL1); err == nil {
		m.Secure = n == secureEL1
	}
	return err
}

// secureEL1 is S-EL1 in the property exception-level.
const secureEL1 = 2

func (m *PartitionManifest) readEntry(p partitionProperty) error {
	n, err := p.number(0, 1<<32)
	if err == nil && n%4 != 0 {
		err = fmt.Errorf("its property %s is %#x; instructions lie at multiples of 4", p.name, n)
	}
	m.Entry = n
	return err
}

func (m *PartitionManifest) readBootOrder(p partitionProperty) error {
	n, err := p.number(0, 1<<16-1)
	m.BootOrder = int(n)
	return err
}

func (m *PartitionManifest) readID(p partitionProperty) error {
	n, err := p.number(1, 1<<16-1)
	m.ID = uint16(n)
	return err
}

func (m *PartitionManifest) readGPRegister(p partitionProperty) error {
	n, err := p.number(0, 3)
	m.GPRegister = int(n)
	return err
}

func (m *PartitionManifest) readNSInterrupts(p partitionProperty) error {
	n, err := p.number(0, nsInterruptActions-1)
	m.NSInterrupts = int(n)
	return err
}

func (m *PartitionManifest) readVMMessages(p partitionProperty) error {
	n, err := p.number(0, VMCreated|VMDestroyed)
	m.VMMessages = uint32(n)
	return err
}

func (m *PartitionManifest) readPowerMessages(p partitionProperty) error {
	n, err := p.number(0, PowerCPUOff|powerSuspend|powerResume)
	if m.PowerMessages = uint32(n); err == nil && n&^PowerCPUOff != 0 {
		err = fmt.Errorf("its property %s is %#x, and CPU_SUSPEND cannot be told of: it never takes a CPU's state away here; give it 0 or 1", p.name, n)
	}
	return err
}

// readUUIDs reads words as they stand in the registers of FFA_PARTITION_INFO_GET: the first byte of the text in the
// lowest bits.
func (m *PartitionManifest) readUUIDs(p partitionProperty) error {
	if len(p.value) == 0 || len(p.value)%16 != 0 {
		return fmt.Errorf("its property %s is not a list of UUIDs; write four cells for each", p.name)
	}
	for v := p.value; len(v) > 0; v = v[16:] {
		s := PartitionService{}
		for i := 0; i < 16; i += 4 {
			binary.LittleEndian.PutUint32(s.UUID[i:], binary.BigEndian.Uint32(v[i:]))
		}
		m.Services = append(m.Services, s)
	}
	return nil
}

// oneOf accepts the values of a property that hfvmm knows, each followed by its meaning.
func oneOf(values ...any) func(*PartitionManifest, partitionProperty) error {
	return func(_ *PartitionManifest, p partitionProperty) error {
		n, err := p.number(0, 1<<32-1)
		if err != nil {
			return err
		}
		var possible []string
		for i := 0; i < len(values); i += 2 {
			if int(n) == values[i] {
				return nil
			}
			possible = append(possible, fmt.Sprintf("%d (%s)", values[i], values[i+1]))
		}
		return fmt.Errorf("its property %s is %d; here it can be %s", p.name, n, strings.Join(possible, " or "))
	}
}

// parseUUID reads the usual text of a UUID.
func parseUUID(s string) (u [16]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(u) || len(s) != 36 {
		return u, fmt.Errorf("%q is not a UUID; write it as 00000000-0000-0000-0000-000000000000", s)
	}
	copy(u[:], b)
	return u, nil
}
