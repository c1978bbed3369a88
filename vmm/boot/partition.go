package boot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// PartitionManifest is what the manifest of an FF-A partition says about it: a device tree that is compatible with
// "arm,ffa-manifest-1.0" or "-1.1". What hfvmm cannot honour is refused by its name.
type PartitionManifest struct {
	Version    uint32 // of FF-A: major in the upper half, minor in the lower
	Contexts   int    // execution contexts, that is vCPUs: at least 1
	Secure     bool   // it runs at S-EL1: to others it is a secure partition
	Services   []PartitionService
	BootOrder  int    // lower ones are initialised first; -1 if it does not say
	ID         uint16 // that it wants, or 0
	Entry      uint64 // offset of the entry point, in bytes from where the image is loaded
	GPRegister int    // x0 to x3: which one has the address of the boot information

	Notifications   bool   // it receives notifications
	BootInformation bool   // it wants its manifest by way of the boot information
	NSInterrupts    int    // what an interrupt of the primary does while it runs: NSInterruptQueued and so on
	VMMessages      uint32 // framework messages about VMs that it wants: a set of VMCreated and VMDestroyed
	PowerMessages   uint32 // framework messages about power that it wants: PowerCPUOff or none

	Regions []PartitionRegion // of its RAM
	RX, TX  *PartitionRegion  // of Regions, which are its buffers from the start, or nil

	Blob []byte // the device tree itself
}

// PartitionService is a UUID by which a partition is found, and how one talks to it.
type PartitionService struct {
	UUID      [16]byte // in the order of its text
	Messaging uint32   // a set of the bits below
}

// Messaging methods of a partition (DEN0077A §5.2.3).
const (
	MessagingDirectReceive  = 1 << 0
	MessagingDirectSend     = 1 << 1
	MessagingIndirect       = 1 << 2
	MessagingDirect2Receive = 1 << 9
	MessagingDirect2Send    = 1 << 10

	messagingKnown = MessagingDirectReceive | MessagingDirectSend | MessagingIndirect | MessagingDirect2Receive | MessagingDirect2Send
)

// What an interrupt of the primary does to a partition that runs.
const (
	NSInterruptQueued      = iota // it waits until the partition gives the CPU back
	NSInterruptManagedExit        // the partition is asked to do so, by a virtual IRQ
	NSInterruptSignaled           // the partition is preempted
	nsInterruptActions
)

// Events of which a partition is told by framework messages.
const (
	VMCreated   = 1 << 0 // of vm-availability-messages
	VMDestroyed = 1 << 1

	PowerCPUOff  = 1 << 0 // of power-management-messages
	powerSuspend = 1 << 1
	powerResume  = 1 << 2
)

const (
	ffaManifest10 = "arm,ffa-manifest-1.0"
	ffaManifest11 = "arm,ffa-manifest-1.1"
)

// ReadPartitionManifest reads the manifest of an FF-A partition from a device tree source or blob, as ReadManifest
// does.
func ReadPartitionManifest(path, dtcDir string) (*PartitionManifest, error) {
	b, err := readDeviceTree(path, dtcDir)
	if err != nil {
		return nil, err
	}
	m, err := ParsePartitionManifest(b)
	if err != nil {
		return nil, fmt.Errorf("the manifest %q is unusable: %w", path, err)
	}
	return m, nil
}

// ParsePartitionManifest reads the blob of a manifest.
func ParsePartitionManifest(b []byte) (*PartitionManifest, error) {
	tree, err := readFDT(b)
	if err != nil {
		return nil, fmt.Errorf("%w; compile or copy it again", err)
	}
	root := tree.RootNode
	compatible := compatibleWith(root)
	if compatible != ffaManifest10 && compatible != ffaManifest11 {
		return nil, fmt.Errorf("it is compatible with %q; a partition's is with %q or %q", compatible, ffaManifest10, ffaManifest11)
	}
	m := &PartitionManifest{BootOrder: -1, NSInterrupts: NSInterruptSignaled, Blob: slices.Clone(b)}
	for i := range root.Properties {
		p := &root.Properties[i]
		row, ok := partitionProperties[p.Name]
		switch {
		case !ok:
			return nil, fmt.Errorf("its property %s is unknown; remove it", p.Name)
		case row.read == nil && row.refused != "":
			return nil, fmt.Errorf("its property %s cannot be honoured: %s; remove it", p.Name, row.refused)
		case row.read == nil:
			continue
		}
		if err := row.read(m, partitionProperty{p.Name, p.Value}); err != nil {
			return nil, err
		}
	}
	for name, row := range partitionProperties {
		if _, ok := root.LookProperty(name); row.required && !ok {
			return nil, fmt.Errorf("it has no property %s; add it", name)
		}
	}
	if p, ok := root.LookProperty("messaging-method"); ok {
		if err := m.readMessaging(partitionProperty{p.Name, p.Value}); err != nil {
			return nil, err
		}
	}
	for _, n := range root.Children {
		if err := m.readNode(n); err != nil {
			return nil, err
		}
	}
	for _, n := range root.Children { // when all regions are known
		if compatibleWith(n) == buffersNode {
			if err := m.readBuffers(n); err != nil {
				return nil, err
			}
		}
	}
	if err := m.complete(root); err != nil {
		return nil, err
	}
	return m, nil
}

// complete adds what properties say together, and checks that.
func (m *PartitionManifest) complete(root *dt.Node) error {
	present := func(name string) bool { _, ok := root.LookProperty(name); return ok }
	if present("managed-exit") && !present("ns-interrupts-action") { // which is the older property
		m.NSInterrupts = NSInterruptManagedExit
	}
	if m.NSInterrupts == NSInterruptManagedExit && !present("managed-exit-virq") {
		return fmt.Errorf("it asks for a managed exit by a virtual FIQ, and there is only a virtual IRQ; add the property managed-exit-virq")
	}
	if len(m.Services) == 0 {
		return fmt.Errorf("it has no UUID; add a property uuid, or with %q services", ffaManifest11)
	}
	return nil
}

// partitionRow says what becomes of a property: read it, refuse it for a reason, or, with neither, accept it because
// every partition here has what it says.
type partitionRow struct {
	read     func(*PartitionManifest, partitionProperty) error
	refused  string
	required bool
}

// partitionProperties are those of DEN0077A §5.2 and of Hafnium's "FF-A manifest binding".
var partitionProperties = map[string]partitionRow{
	"compatible":          {},
	"description":         {},
	"debug_name":          {},
	"ffa-version":         {read: (*PartitionManifest).readVersion, required: true},
	"uuid":                {read: (*PartitionManifest).readUUIDs},
	"messaging-method":    {}, // with the UUIDs
	"execution-ctx-count": {read: (*PartitionManifest).readContexts, required: true},
	"exception-level":     {read: (*PartitionManifest).readLevel, required: true},
	"execution-state":     {read: oneOf(0, "AArch64"), required: true},
	"xlat-granule":        {read: oneOf(0, "4 KiB")},
	"entrypoint-offset":   {read: (*PartitionManifest).readEntry},
	"boot-order":          {read: (*PartitionManifest).readBootOrder},
	"id":                  {read: (*PartitionManifest).readID},
	"gp-register-num":     {read: (*PartitionManifest).readGPRegister},
	"notification-support": {read: func(m *PartitionManifest, _ partitionProperty) error {
		m.Notifications = true
		return nil
	}},
	"managed-exit":              {}, // with ns-interrupts-action
	"managed-exit-virq":         {},
	"ns-interrupts-action":      {read: (*PartitionManifest).readNSInterrupts},
	"vm-availability-messages":  {read: (*PartitionManifest).readVMMessages},
	"power-management-messages": {read: (*PartitionManifest).readPowerMessages},

	"load-address":              {refused: "hfvmm chooses where a partition lies"},
	"auxiliary-id":              {refused: "a partition has one id"},
	"other-s-interrupts-action": {refused: "there is no secure world"},
	"has-primary-scheduler":     {refused: "only the primary schedules"},
	"time-slice-mem":            {refused: "operations on memory are not sliced"},
	"sri-interrupts-policy":     {refused: "the schedule receiver interrupt is always the primary's"},
	"lifecycle-support":         {refused: "partitions are not restarted"},
	"abort-action":              {refused: "an aborted partition stays dead"},
	"live-activation-support":   {refused: "partitions are not replaced while they run"},
	"image-uuid":                {refused: "it belongs to FF-A 1.3"},
	"smc-whitelist":             {refused: "there is no firmware behind hfvmm"},
}

// partitionNodes are the nodes below the root. Those that are refused describe what does not exist here.
var partitionNodes = map[string]partitionRow{
	"arm,ffa-manifest-boot-info":      {},
	"arm,ffa-manifest-services":       {},
	"arm,ffa-manifest-memory-regions": {},
	buffersNode:                       {},
	"arm,ffa-manifest-device-regions": {refused: "no devices are assigned to partitions"},
}

const buffersNode = "arm,ffa-manifest-rx_tx-buffer"

// compatibleWith is what a node says that it is.
func compatibleWith(n *dt.Node) string {
	p, ok := n.LookProperty("compatible")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(string(p.Value), "\x00")
}

func (m *PartitionManifest) readNode(n *dt.Node) error {
	compatible := compatibleWith(n)
	row, ok := partitionNodes[compatible]
	switch {
	case !ok:
		return fmt.Errorf("its node %s, compatible with %q, is unknown; remove it", n.Name, compatible)
	case row.refused != "":
		return fmt.Errorf("its node %s cannot be honoured: %s; remove it", n.Name, row.refused)
	case compatible == "arm,ffa-manifest-boot-info":
		return m.readBootInfo(n)
	case compatible == "arm,ffa-manifest-services":
		return m.readServices(n)
	case compatible == "arm,ffa-manifest-memory-regions":
		return m.readRegions(n)
	}
	return nil
}

func (m *PartitionManifest) readBootInfo(n *dt.Node) error {
	for _, p := range n.Properties {
		switch p.Name {
		case "compatible":
		case "ffa_manifest":
			m.BootInformation = true
		default:
			return fmt.Errorf("its boot-info asks for %s, which does not exist here; ask for ffa_manifest", p.Name)
		}
	}
	return nil
}

func (m *PartitionManifest) readServices(n *dt.Node) error {
	for _, child := range n.Children {
		uuid, ok := child.LookProperty("uuid")
		if !ok {
			return fmt.Errorf("its service %s has no uuid; add it", child.Name)
		}
		s := PartitionService{}
		var err error
		if s.UUID, err = parseUUID(strings.TrimSuffix(string(uuid.Value), "\x00")); err != nil {
			return fmt.Errorf("its service %s: %w", child.Name, err)
		}
		method, ok := child.LookProperty("messaging-method")
		if !ok {
			return fmt.Errorf("its service %s has no messaging-method; add it", child.Name)
		}
		if s.Messaging, err = (partitionProperty{method.Name, method.Value}).messaging(); err != nil {
			return err
		}
		m.Services = append(m.Services, s)
	}
	return nil
}
