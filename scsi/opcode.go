package scsi

import "fmt"

// Opcode is the operation code: the first byte of a CDB (SPC-4 4.2.5.1).
type Opcode uint8

// The operation codes of the commands in the table; names as in SPC and SBC.
const (
	OpTestUnitReady       Opcode = 0x00
	OpRequestSense        Opcode = 0x03
	OpFormatUnit          Opcode = 0x04
	OpReassignBlocks      Opcode = 0x07
	OpRead6               Opcode = 0x08
	OpWrite6              Opcode = 0x0A
	OpInquiry             Opcode = 0x12
	OpModeSelect6         Opcode = 0x15
	OpReserve6            Opcode = 0x16
	OpRelease6            Opcode = 0x17
	OpModeSense6          Opcode = 0x1A
	OpStartStopUnit       Opcode = 0x1B
	OpReceiveDiagnostic   Opcode = 0x1C
	OpSendDiagnostic      Opcode = 0x1D
	OpPreventAllow        Opcode = 0x1E
	OpReadCapacity10      Opcode = 0x25
	OpRead10              Opcode = 0x28
	OpWrite10             Opcode = 0x2A
	OpWriteVerify10       Opcode = 0x2E
	OpVerify10            Opcode = 0x2F
	OpPreFetch10          Opcode = 0x34
	OpSynchronizeCache10  Opcode = 0x35
	OpReadDefectData10    Opcode = 0x37
	OpWriteBuffer         Opcode = 0x3B
	OpReadBuffer          Opcode = 0x3C
	OpWriteSame10         Opcode = 0x41
	OpUnmap               Opcode = 0x42
	OpSanitize            Opcode = 0x48
	OpLogSelect           Opcode = 0x4C
	OpLogSense            Opcode = 0x4D
	OpModeSelect10        Opcode = 0x55
	OpReserve10           Opcode = 0x56
	OpRelease10           Opcode = 0x57
	OpModeSense10         Opcode = 0x5A
	OpPersistentReserveIn Opcode = 0x5E
	OpPersistentReserve   Opcode = 0x5F // PERSISTENT RESERVE OUT
	OpVariableLength      Opcode = 0x7F
	OpExtendedCopy        Opcode = 0x83 // THIRD-PARTY COPY OUT
	OpReceiveCopyResults  Opcode = 0x84 // THIRD-PARTY COPY IN
	OpRead16              Opcode = 0x88
	OpCompareAndWrite     Opcode = 0x89
	OpWrite16             Opcode = 0x8A
	OpORWrite16           Opcode = 0x8B
	OpWriteVerify16       Opcode = 0x8E
	OpVerify16            Opcode = 0x8F
	OpPreFetch16          Opcode = 0x90
	OpSynchronizeCache16  Opcode = 0x91
	OpWriteSame16         Opcode = 0x93
	OpWriteAtomic16       Opcode = 0x9C
	OpServiceActionIn16   Opcode = 0x9E
	OpReportLUNs          Opcode = 0xA0
	OpSecurityProtocolIn  Opcode = 0xA2
	OpMaintenanceIn       Opcode = 0xA3
	OpMaintenanceOut      Opcode = 0xA4
	OpRead12              Opcode = 0xA8
	OpWrite12             Opcode = 0xAA
	OpWriteVerify12       Opcode = 0xAE
	OpVerify12            Opcode = 0xAF
	OpSecurityProtocolOut Opcode = 0xB5
	OpReadDefectData12    Opcode = 0xB7
)

// Service actions of the operation codes that have them.
const (
	ActionReadCapacity16    uint16 = 0x10 // of OpServiceActionIn16
	ActionGetLBAStatus      uint16 = 0x12 // of OpServiceActionIn16
	ActionReportIdentifying uint16 = 0x05 // of OpMaintenanceIn
	ActionReportPortGroups  uint16 = 0x0A // of OpMaintenanceIn
	ActionReportOpcodes     uint16 = 0x0C // of OpMaintenanceIn
	ActionReportFunctions   uint16 = 0x0D // of OpMaintenanceIn
	ActionReportTimestamp   uint16 = 0x0F // of OpMaintenanceIn
	ActionSetPortGroups     uint16 = 0x0A // of OpMaintenanceOut
	ActionSetTimestamp      uint16 = 0x0F // of OpMaintenanceOut
	ActionRead32            uint16 = 0x09 // of OpVariableLength
	ActionVerify32          uint16 = 0x0A // of OpVariableLength
	ActionWrite32           uint16 = 0x0B // of OpVariableLength
	ActionWriteVerify32     uint16 = 0x0C // of OpVariableLength
	ActionWriteSame32       uint16 = 0x0D // of OpVariableLength
)

// DeviceType is a peripheral device type.
type DeviceType uint8

// The peripheral device types.
const (
	TypeDisk      DeviceType = 0x00
	TypeTape      DeviceType = 0x01
	TypeProcessor DeviceType = 0x03
	TypeCDROM     DeviceType = 0x05
	TypeOptical   DeviceType = 0x07 // MO disks
	TypeChanger   DeviceType = 0x08
	TypeRAID      DeviceType = 0x0C // storage array controller
	TypeEnclosure DeviceType = 0x0D
	TypeWellKnown DeviceType = 0x1E
	TypeNone      DeviceType = 0x1F
)

// String is a short name of the type.
func (t DeviceType) String() string {
	switch t {
	case TypeDisk:
		return "disk"
	case TypeTape:
		return "tape"
	case TypeProcessor:
		return "processor"
	case TypeCDROM:
		return "cdrom"
	case TypeOptical:
		return "optical"
	case TypeChanger:
		return "changer"
	case TypeRAID:
		return "raid"
	case TypeEnclosure:
		return "enclosure"
	case TypeWellKnown:
		return "well-known logical unit"
	case TypeNone:
		return "none"
	}
	return fmt.Sprintf("device type %02xh", uint8(t))
}
