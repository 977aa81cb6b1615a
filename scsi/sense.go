package scsi

import (
	"encoding/binary"
	"fmt"
)

//go:generate go run ../internal/gen/sense

// SenseKey is the class of a sense code (SPC-4 4.5.6).
type SenseKey uint8

// The sense keys.
const (
	KeyNoSense        SenseKey = 0x0
	KeyRecoveredError SenseKey = 0x1
	KeyNotReady       SenseKey = 0x2
	KeyMediumError    SenseKey = 0x3
	KeyHardwareError  SenseKey = 0x4
	KeyIllegalRequest SenseKey = 0x5
	KeyUnitAttention  SenseKey = 0x6
	KeyDataProtect    SenseKey = 0x7
	KeyBlankCheck     SenseKey = 0x8
	KeyVendorSpecific SenseKey = 0x9
	KeyCopyAborted    SenseKey = 0xA
	KeyAbortedCommand SenseKey = 0xB
	KeyVolumeOverflow SenseKey = 0xD
	KeyMiscompare     SenseKey = 0xE
	KeyCompleted      SenseKey = 0xF
)

// String is the name of the key in lower case.
func (k SenseKey) String() string {
	names := [...]string{"no sense", "recovered error", "not ready", "medium error", "hardware error", "illegal request",
		"unit attention", "data protect", "blank check", "vendor specific", "copy aborted", "aborted command",
		"reserved", "volume overflow", "miscompare", "completed"}
	return names[k&0xF]
}

// Sense is a sense key with its additional sense code and qualifier,
// key<<16 | ASC<<8 | ASCQ. It is an error: a handler says
//
//	return scsi.InvalidFieldInCDB
//
// and the command ends with CHECK CONDITION. Returning a constant does not allocate.
type Sense uint32

// The sense codes that this library and most handlers use. Text for all others comes
// from the T10 list (SPC-4 annex D).
const (
	NoSense Sense = 0x00_00_00

	BecomingReady         Sense = 0x02_04_01
	InitializingRequired  Sense = 0x02_04_02
	FormatInProgress      Sense = 0x02_04_04
	NotReadyCause         Sense = 0x02_04_00
	ALUATransition        Sense = 0x02_04_0A
	ALUAStandby           Sense = 0x02_04_0B
	ALUAUnavailable       Sense = 0x02_04_0C
	SanitizeInProgress    Sense = 0x02_04_1B
	MediumNotPresent      Sense = 0x02_3A_00
	MediumTrayOpen        Sense = 0x02_3A_02
	MediumWriteError      Sense = 0x03_0C_00
	MediumReadError       Sense = 0x03_11_00
	WriteFault            Sense = 0x03_03_00
	LogicalUnitFailure    Sense = 0x04_3E_01
	InternalTargetFailure Sense = 0x04_44_00

	ParameterListLength     Sense = 0x05_1A_00
	InvalidOpcode           Sense = 0x05_20_00
	LBAOutOfRange           Sense = 0x05_21_00
	InvalidFieldInCDB       Sense = 0x05_24_00
	LogicalUnitNotSupported Sense = 0x05_25_00
	InvalidFieldInParams    Sense = 0x05_26_00
	ParameterNotSupported   Sense = 0x05_26_01
	ParameterValueInvalid   Sense = 0x05_26_02
	TooManySegments         Sense = 0x05_26_08
	SavingNotSupported      Sense = 0x05_39_00
	InvalidMessage          Sense = 0x05_49_00
	RemovalPrevented        Sense = 0x05_53_02
	InsufficientResources   Sense = 0x05_55_03
	InvalidCommandIUField   Sense = 0x05_0E_03

	MediumMayHaveChanged   Sense = 0x06_28_00
	PowerOnOccurred        Sense = 0x06_29_00 // power on, reset, or bus device reset: whichever
	BusResetOccurred       Sense = 0x06_29_02
	DeviceReset            Sense = 0x06_29_03
	NexusLoss              Sense = 0x06_29_07
	ParametersChanged      Sense = 0x06_2A_00
	ModeParametersChanged  Sense = 0x06_2A_01
	LogParametersChanged   Sense = 0x06_2A_02
	ReservationsPreempted  Sense = 0x06_2A_03
	ReservationsReleased   Sense = 0x06_2A_04
	RegistrationsPreempted Sense = 0x06_2A_05
	ALUAStateChanged       Sense = 0x06_2A_06
	CapacityChanged        Sense = 0x06_2A_09
	CommandsCleared        Sense = 0x06_2F_00
	ThinThresholdReached   Sense = 0x06_38_07
	OperatingConditions    Sense = 0x06_3F_00
	InquiryDataChanged     Sense = 0x06_3F_03
	ReportedLUNsChanged    Sense = 0x06_3F_0E
	OperatorRemovalRequest Sense = 0x06_5A_01

	WriteProtected         Sense = 0x07_27_00
	SoftwareWriteProtected Sense = 0x07_27_02
	SpaceAllocationFailed  Sense = 0x07_27_07

	CommandAborted        Sense = 0x0B_00_00
	UnexpectedUnsolicited Sense = 0x0B_0C_0C
	NotEnoughUnsolicited  Sense = 0x0B_0C_0D
	ProtocolCRCError      Sense = 0x0B_47_05
	InitiatorDetected     Sense = 0x0B_48_00
	DataPhaseError        Sense = 0x0B_4B_00
	TargetAbortedFailure  Sense = 0x0B_44_00
	OverlappedCommands    Sense = 0x0B_4E_00

	MiscompareVerify Sense = 0x0E_1D_00
)

// MakeSense composes a sense code.
func MakeSense(k SenseKey, asc, ascq uint8) Sense {
	return Sense(k)<<16 | Sense(asc)<<8 | Sense(ascq)
}

// Key is the sense key.
func (s Sense) Key() SenseKey { return SenseKey(s >> 16) }

// ASC is the additional sense code.
func (s Sense) ASC() uint8 { return uint8(s >> 8) }

// ASCQ is the additional sense code qualifier.
func (s Sense) ASCQ() uint8 { return uint8(s) }

// Error is key, text and code, as in
// "illegal request: invalid field in cdb (5/24/00)".
func (s Sense) Error() string {
	text := senseText(s.ASC(), s.ASCQ())
	if text == "" {
		text = "additional sense"
	}
	return fmt.Sprintf("%v: %s (%x/%02x/%02x)", s.Key(), text, uint8(s.Key()), s.ASC(), s.ASCQ())
}

// FieldPointer tells which field of the CDB or of the parameter data is wrong
// (SPC-4 4.5.2.4.2).
type FieldPointer struct {
	Byte  uint16
	Bit   uint8 // most significant bit of the field; only if BitOK
	BitOK bool
	Data  bool // in the parameter data, not in the CDB
}

// SenseError is a Sense with sense data beyond the code. Use it off the hot path.
type SenseError struct {
	Sense
	Info     uint64        // INFORMATION, e.g. the failing LBA
	Valid    bool          // Info is meaningful
	Command  uint64        // COMMAND-SPECIFIC INFORMATION; 0 is not sent in descriptor format
	Field    *FieldPointer // only with ILLEGAL REQUEST
	Progress uint16        // progress indication, in 65536ths; only with NOT READY or NO SENSE
	HasProgr bool          // Progress is meaningful
	Deferred bool          // the error belongs to an earlier command
	Cause    error         // for logs; never sent to an initiator
}

// Unwrap makes errors.Is work on the code and on the cause.
func (e *SenseError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Sense}
	}
	return []error{e.Sense, e.Cause}
}

// Error is the text of the code and of the cause.
func (e *SenseError) Error() string {
	if e.Cause != nil {
		return e.Sense.Error() + ": " + e.Cause.Error()
	}
	return e.Sense.Error()
}

// BadCDB is INVALID FIELD IN CDB pointing at a byte, and at a bit unless bit is
// negative. It allocates.
func BadCDB(byteOff int, bit int) error {
	return &SenseError{Sense: InvalidFieldInCDB, Field: pointer(byteOff, bit, false)}
}

// BadParam is INVALID FIELD IN PARAMETER LIST pointing at a byte, and at a bit unless
// bit is negative. It allocates.
func BadParam(byteOff int, bit int) error {
	return &SenseError{Sense: InvalidFieldInParams, Field: pointer(byteOff, bit, true)}
}

func pointer(byteOff, bit int, data bool) *FieldPointer {
	p := &FieldPointer{Byte: uint16(byteOff), Data: data}
	if bit >= 0 {
		p.Bit, p.BitOK = uint8(bit), true
	}
	return p
}

// AppendSense appends sense data for e in fixed format (SPC-4 4.5.3, 18 bytes), or in
// descriptor format (SPC-4 4.5.2). INFORMATION that needs more than 32 bits is marked
// invalid in fixed format.
func AppendSense(dst []byte, e *SenseError, descriptor bool) []byte {
	code := byte(0x70)
	if descriptor {
		code = 0x72
	}
	if e.Deferred {
		code++
	}
	if !descriptor {
		n := len(dst)
		dst = append(dst, code, 0, byte(e.Key()), 0, 0, 0, 0, 10, 0, 0, 0, 0, e.ASC(), e.ASCQ(), 0, 0, 0, 0)
		b := dst[n:]
		if e.Valid && e.Info <= 0xFFFFFFFF {
			b[0] |= 0x80
			binary.BigEndian.PutUint32(b[3:], uint32(e.Info))
		}
		if e.Command <= 0xFFFFFFFF {
			binary.BigEndian.PutUint32(b[8:], uint32(e.Command))
		}
		e.putSpecific(b[15:18])
		return dst
	}
	n := len(dst)
	dst = append(dst, code, byte(e.Key()), e.ASC(), e.ASCQ(), 0, 0, 0, 0)
	if e.Valid {
		dst = append(dst, 0, 0x0A, 0x80, 0)
		dst = binary.BigEndian.AppendUint64(dst, e.Info)
	}
	if e.Command != 0 {
		dst = append(dst, 1, 0x0A, 0, 0)
		dst = binary.BigEndian.AppendUint64(dst, e.Command)
	}
	var sks [3]byte
	if e.putSpecific(sks[:]) {
		dst = append(dst, 2, 0x06, 0, 0, sks[0], sks[1], sks[2], 0)
	}
	dst[n+7] = byte(len(dst) - n - 8)
	return dst
}

// putSpecific writes the sense-key specific field (SPC-4 4.5.2.4).
func (e *SenseError) putSpecific(b []byte) bool {
	switch {
	case e.Field != nil && e.Key() == KeyIllegalRequest:
		b[0] = 0x80
		if !e.Field.Data {
			b[0] |= 0x40
		}
		if e.Field.BitOK {
			b[0] |= 0x08 | e.Field.Bit&7
		}
		binary.BigEndian.PutUint16(b[1:], e.Field.Byte)
	case e.HasProgr && (e.Key() == KeyNotReady || e.Key() == KeyNoSense):
		b[0] = 0x80
		binary.BigEndian.PutUint16(b[1:], e.Progress)
	default:
		return false
	}
	return true
}

// ParseSense decodes fixed or descriptor format sense data. Descriptors that it does
// not know are skipped. It is the inverse of AppendSense.
func ParseSense(b []byte) (SenseError, error) {
	var e SenseError
	if len(b) < 1 {
		return e, errShortSense
	}
	switch b[0] & 0x7F {
	case 0x70, 0x71:
		if len(b) < 8 {
			return e, errShortSense
		}
		var f [18]byte // fields beyond the additional sense length are zero
		copy(f[:], b[:min(len(b), 8+int(b[7]))])
		e.Sense = MakeSense(SenseKey(f[2]&0xF), f[12], f[13])
		e.Valid = f[0]&0x80 != 0
		e.Info = uint64(binary.BigEndian.Uint32(f[3:]))
		e.Command = uint64(binary.BigEndian.Uint32(f[8:]))
		e.getSpecific(f[15:18])
	case 0x72, 0x73:
		if len(b) < 8 {
			return e, errShortSense
		}
		e.Sense = MakeSense(SenseKey(b[1]&0xF), b[2], b[3])
		d := b[8:]
		if n := int(b[7]); n < len(d) {
			d = d[:n]
		}
		for len(d) >= 2 {
			n := 2 + int(d[1])
			if n > len(d) {
				return e, errShortSense
			}
			switch {
			case d[0] == 0 && n >= 12:
				e.Valid = d[2]&0x80 != 0
				e.Info = binary.BigEndian.Uint64(d[4:])
			case d[0] == 1 && n >= 12:
				e.Command = binary.BigEndian.Uint64(d[4:])
			case d[0] == 2 && n >= 8:
				e.getSpecific(d[4:7])
			}
			d = d[n:]
		}
	default:
		return e, fmt.Errorf("scsi: unknown sense response code %02xh", b[0])
	}
	e.Deferred = b[0]&1 != 0
	return e, nil
}

func (e *SenseError) getSpecific(b []byte) {
	if b[0]&0x80 == 0 {
		return
	}
	v := binary.BigEndian.Uint16(b[1:])
	switch e.Key() {
	case KeyIllegalRequest:
		e.Field = &FieldPointer{Byte: v, Data: b[0]&0x40 == 0}
		if b[0]&8 != 0 {
			e.Field.Bit, e.Field.BitOK = b[0]&7, true
		}
	case KeyNotReady, KeyNoSense:
		e.Progress, e.HasProgr = v, true
	}
}

var errShortSense = fmt.Errorf("scsi: sense data too short")
