package hypercall

// PSCI function identifiers, SMC32 form (DEN0022 §5.1). SMC64 twins have bit 30 set as well.
const (
	PSCIVersion            FuncID = 0x84000000
	PSCICPUSuspend         FuncID = 0x84000001
	PSCICPUOff             FuncID = 0x84000002
	PSCICPUOn              FuncID = 0x84000003
	PSCIAffinityInfo       FuncID = 0x84000004
	PSCIMigrate            FuncID = 0x84000005
	PSCIMigrateInfoType    FuncID = 0x84000006
	PSCIMigrateInfoUpCPU   FuncID = 0x84000007
	PSCISystemOff          FuncID = 0x84000008
	PSCISystemReset        FuncID = 0x84000009
	PSCIFeatures           FuncID = 0x8400000A
	PSCICPUFreeze          FuncID = 0x8400000B
	PSCICPUDefaultSuspend  FuncID = 0x8400000C
	PSCINodeHWState        FuncID = 0x8400000D
	PSCISystemSuspend      FuncID = 0x8400000E
	PSCISetSuspendMode     FuncID = 0x8400000F
	PSCIStatResidency      FuncID = 0x84000010
	PSCIStatCount          FuncID = 0x84000011
	PSCISystemReset2       FuncID = 0x84000012
	PSCIMemProtect         FuncID = 0x84000013
	PSCIMemProtectCheckRng FuncID = 0x84000014
)

// SMCCCVersion is the one function outside PSCI that PSCI_FEATURES is asked about (DEN0028 §7.2).
const SMCCCVersion FuncID = 0x80000000

// psciCount is how many function numbers belong to PSCI in each of the two conventions (DEN0022 §5.1).
const psciCount = 0x20

// PSCIRanges are the function identifiers of PSCI.
func PSCIRanges() []Range {
	return []Range{{PSCIVersion, psciCount}, {PSCIVersion | SMC64, psciCount}}
}

// PSCIVersion11 is version 1.1 as PSCI_VERSION reports it: major in [31:16], minor in [15:0].
const PSCIVersion11 = 1<<16 | 1

// PSCIStatus is a return code of PSCI (DEN0022 §5.2.2).
type PSCIStatus int32

// The return codes.
const (
	PSCISuccess           PSCIStatus = 0
	PSCINotSupported      PSCIStatus = -1
	PSCIInvalidParameters PSCIStatus = -2
	PSCIDenied            PSCIStatus = -3
	PSCIAlreadyOn         PSCIStatus = -4
	PSCIOnPending         PSCIStatus = -5
	PSCIInternalFailure   PSCIStatus = -6
	PSCINotPresent        PSCIStatus = -7
	PSCIDisabled          PSCIStatus = -8
	PSCIInvalidAddress    PSCIStatus = -9
)

// X returns the status as it stands in x0.
func (s PSCIStatus) X() uint64 { return uint64(int64(s)) }

// What PSCI_AFFINITY_INFO says of a vCPU (DEN0022 §5.7).
const (
	AffinityOn  = 0
	AffinityOff = 1
)

// TrustedOSAbsent is what PSCI_MIGRATE_INFO_TYPE returns where nothing has to be migrated (DEN0022 §5.9).
const TrustedOSAbsent = 2
