package kvmarm

// request is an ioctl request number, laid out as Linux include/uapi/asm-generic/ioctl.h has it:
// direction in bits 31:30, size of the argument in 29:16, type in 15:8, number in 7:0.
type request uint32

// kvmIO is the type of all KVM ioctls, KVMIO in linux/kvm.h.
const kvmIO = 0xAE

const (
	dirNone  = 0
	dirWrite = 1 // the kernel reads the argument
	dirRead  = 2 // the kernel writes the argument
)

const (
	dirShift  = 30
	sizeShift = 16
	typeShift = 8
)

// The requests of KVM API §4. Sizes are those of the structures in layout.go; a test compares both.
const (
	noArg = dirNone<<dirShift | kvmIO<<typeShift
	in    = dirWrite<<dirShift | kvmIO<<typeShift
	out   = dirRead<<dirShift | kvmIO<<typeShift
	inOut = (dirRead|dirWrite)<<dirShift | kvmIO<<typeShift

	reqGetAPIVersion       request = noArg // number 0
	reqCreateVM            request = noArg | 0x01
	reqCheckExtension      request = noArg | 0x03
	reqGetVCPUMmapSize     request = noArg | 0x04
	reqCreateVCPU          request = noArg | 0x41
	reqSetUserMemoryRegion request = in | 32<<sizeShift | 0x46
	reqIRQLine             request = in | 8<<sizeShift | 0x61
	reqRun                 request = noArg | 0x80
	reqGetMPState          request = out | 4<<sizeShift | 0x98
	reqSetMPState          request = in | 4<<sizeShift | 0x99
	reqSetGuestDebug       request = in | 520<<sizeShift | 0x9b
	reqGetVCPUEvents       request = out | 64<<sizeShift | 0x9f
	reqSetVCPUEvents       request = in | 64<<sizeShift | 0xa0
	reqEnableCap           request = in | 104<<sizeShift | 0xa3
	reqGetOneReg           request = in | 16<<sizeShift | 0xab
	reqSetOneReg           request = in | 16<<sizeShift | 0xac
	reqARMVCPUInit         request = in | 32<<sizeShift | 0xae
	reqARMPreferredTarget  request = out | 32<<sizeShift | 0xaf
	reqARMSetCounterOffset request = in | 16<<sizeShift | 0xb5
	reqGetStatsFD          request = noArg | 0xce
	reqCreateDevice        request = inOut | 12<<sizeShift | 0xe0
	reqSetDeviceAttr       request = in | 24<<sizeShift | 0xe1
	reqGetDeviceAttr       request = in | 24<<sizeShift | 0xe2
	reqHasDeviceAttr       request = in | 24<<sizeShift | 0xe3
)

var requestNames = map[request]string{
	reqGetAPIVersion:       "KVM_GET_API_VERSION",
	reqCreateVM:            "KVM_CREATE_VM",
	reqCheckExtension:      "KVM_CHECK_EXTENSION",
	reqGetVCPUMmapSize:     "KVM_GET_VCPU_MMAP_SIZE",
	reqCreateVCPU:          "KVM_CREATE_VCPU",
	reqSetUserMemoryRegion: "KVM_SET_USER_MEMORY_REGION",
	reqIRQLine:             "KVM_IRQ_LINE",
	reqRun:                 "KVM_RUN",
	reqGetMPState:          "KVM_GET_MP_STATE",
	reqSetMPState:          "KVM_SET_MP_STATE",
	reqSetGuestDebug:       "KVM_SET_GUEST_DEBUG",
	reqGetVCPUEvents:       "KVM_GET_VCPU_EVENTS",
	reqSetVCPUEvents:       "KVM_SET_VCPU_EVENTS",
	reqEnableCap:           "KVM_ENABLE_CAP",
	reqGetOneReg:           "KVM_GET_ONE_REG",
	reqSetOneReg:           "KVM_SET_ONE_REG",
	reqARMVCPUInit:         "KVM_ARM_VCPU_INIT",
	reqARMPreferredTarget:  "KVM_ARM_PREFERRED_TARGET",
	reqARMSetCounterOffset: "KVM_ARM_SET_COUNTER_OFFSET",
	reqGetStatsFD:          "KVM_GET_STATS_FD",
	reqCreateDevice:        "KVM_CREATE_DEVICE",
	reqSetDeviceAttr:       "KVM_SET_DEVICE_ATTR",
	reqGetDeviceAttr:       "KVM_GET_DEVICE_ATTR",
	reqHasDeviceAttr:       "KVM_HAS_DEVICE_ATTR",
}

func (r request) String() string { return requestNames[r] }
