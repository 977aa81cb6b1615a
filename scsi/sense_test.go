package scsi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/script"
)

// senses are errors with every kind of sense data.
var senses = []struct {
	name string
	e    SenseError
}{
	{"code", SenseError{Sense: InvalidOpcode}},
	{"no sense", SenseError{}},
	{"information", SenseError{Sense: MediumReadError, Valid: true, Info: 0x12345678}},
	{"information 0", SenseError{Sense: MediumReadError, Valid: true}},
	{"information of 64 bits", SenseError{Sense: MediumReadError, Valid: true, Info: 0x123456789A}},
	{"command-specific", SenseError{Sense: MiscompareVerify, Valid: true, Info: 12, Command: 0xABCDEF01}},
	{"field of the CDB", SenseError{Sense: InvalidFieldInCDB, Field: &FieldPointer{Byte: 2}}},
	{"bit of the CDB", SenseError{Sense: InvalidFieldInCDB, Field: &FieldPointer{Byte: 1, Bit: 7, BitOK: true}}},
	{"bit 0 of the CDB", SenseError{Sense: InvalidFieldInCDB, Field: &FieldPointer{BitOK: true}}},
	{"field of the parameters", SenseError{Sense: InvalidFieldInParams, Field: &FieldPointer{Byte: 0x1234, Data: true}}},
	{"bit of the parameters", SenseError{Sense: InvalidFieldInParams, Field: &FieldPointer{Byte: 20, Bit: 3, BitOK: true, Data: true}}},
	{"progress", SenseError{Sense: FormatInProgress, HasProgr: true, Progress: 0x8000}},
	{"progress without error", SenseError{HasProgr: true, Progress: 1}},
	{"deferred", SenseError{Sense: MediumWriteError, Deferred: true, Valid: true, Info: 7}},
	{"unit attention", SenseError{Sense: CapacityChanged}},
}

func TestSenseGolden(t *testing.T) {
	script.RunDir(t, "testdata/sense", func(t *testing.T) script.Func {
		return func(c *script.Cmd) string {
			var b strings.Builder
			for _, s := range senses {
				fmt.Fprintf(&b, "%-24s %s\n", s.name, hex.EncodeToString(AppendSense(nil, &s.e, c.Name == "descriptor")))
			}
			return b.String()
		}
	})
}

func TestSenseRoundTrip(t *testing.T) {
	for _, s := range senses {
		for _, descriptor := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", s.name, descriptor), func(t *testing.T) {
				b := AppendSense([]byte{0xEE}, &s.e, descriptor)
				require.EqualValues(t, 0xEE, b[0])
				got, err := ParseSense(b[1:])
				require.NoError(t, err)
				want := s.e
				if !descriptor && want.Info > 0xFFFFFFFF { // has no place in fixed format
					want.Valid, want.Info = false, 0
				}
				require.Empty(t, cmp.Diff(want, got))
				// Bytes after the sense data do not count.
				again, err := ParseSense(append(b[1:], 0x00, 0x0A, 0xFF, 0xFF))
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(got, again))
			})
		}
	}
}

// TestSenseOnlyWhereItBelongs: field pointers go with ILLEGAL REQUEST, progress with NOT
// READY and NO SENSE.
func TestSenseOnlyWhereItBelongs(t *testing.T) {
	plain := AppendSense(nil, &SenseError{Sense: MediumReadError}, false)
	require.Equal(t, plain, AppendSense(nil, &SenseError{Sense: MediumReadError, Field: &FieldPointer{Byte: 1}}, false))
	require.Equal(t, plain, AppendSense(nil, &SenseError{Sense: MediumReadError, HasProgr: true, Progress: 1}, false))
}

func TestParseSense(t *testing.T) {
	for _, x := range []struct {
		name, data string
		want       SenseError
		ok         bool
	}{
		{"empty", "", SenseError{}, false},
		{"unknown response code", "7f 00 00 00 00 00 00 00", SenseError{}, false},
		{"not sense data", "00 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00", SenseError{}, false},
		{"fixed, header cut", "70 00 05 00 00 00 00", SenseError{}, false},
		{"fixed, no additional length", "70 00 05 00 00 00 00 00 00 00 00 00 20 00", SenseError{Sense: MakeSense(KeyIllegalRequest, 0, 0)}, true},
		{"fixed, up to the qualifier", "70 00 05 00 00 00 00 06 00 00 00 00 20 00", SenseError{Sense: InvalidOpcode}, true},
		{"fixed, stale bytes", "70 00 05 00 00 00 00 06 00 00 00 00 24 00 00 c0 00 02", SenseError{Sense: InvalidFieldInCDB}, true},
		{"fixed, filemark bits", "f0 00 85 00 00 00 07 0a 00 00 00 00 20 00 00 00 00 00",
			SenseError{Sense: InvalidOpcode, Valid: true, Info: 7}, true},
		{"descriptor, header cut", "72 05 20 00 00 00 00", SenseError{}, false},
		{"descriptor", "72 05 20 00 00 00 00 00", SenseError{Sense: InvalidOpcode}, true},
		{"descriptor, unknown kind", "72 03 11 00 00 00 00 10 80 02 01 02 00 0a 80 00 00 00 00 00 00 00 00 09",
			SenseError{Sense: MediumReadError, Valid: true, Info: 9}, true},
		{"descriptor, cut inside", "72 03 11 00 00 00 00 0c 00 0a 80 00 00 00", SenseError{}, false},
		{"descriptor, too short for its kind", "72 03 11 00 00 00 00 04 00 02 80 00", SenseError{Sense: MediumReadError}, true},
		{"descriptor, one byte over", "72 03 11 00 00 00 00 01 00", SenseError{Sense: MediumReadError}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, err := ParseSense(unhex(t, x.data))
			require.Equal(t, x.ok, err == nil, "%v", err)
			if x.ok {
				require.Empty(t, cmp.Diff(x.want, got))
			}
		})
	}
}

func FuzzParseSense(f *testing.F) {
	for _, s := range senses {
		f.Add(AppendSense(nil, &s.e, false))
		f.Add(AppendSense(nil, &s.e, true))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseSense(b)
		if err != nil {
			return
		}
		// What was understood survives another turn, in the format that holds it all.
		again, err := ParseSense(AppendSense(nil, &e, true))
		if err != nil {
			t.Fatal(err)
		}
		if !e.Valid {
			e.Info = 0 // says nothing
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Fatal(d)
		}
	})
}

func TestSenseText(t *testing.T) {
	for s, want := range map[Sense]string{
		InvalidFieldInCDB:           "illegal request: invalid field in cdb (5/24/00)",
		LBAOutOfRange:               "illegal request: logical block address out of range (5/21/00)",
		0:                           "no sense: no additional sense information (0/00/00)",
		MakeSense(0xB, 0x4B, 0x04):  "aborted command: nak received (b/4b/04)",
		MakeSense(0x4, 0x40, 0x00):  "hardware error: ram failure (should use 40 nn) (4/40/00)",
		MakeSense(0x4, 0x40, 0x85):  "hardware error: diagnostic failure on component nn (4/40/85)",
		MakeSense(0xB, 0x4D, 0x17):  "aborted command: tagged overlapped commands (nn = task tag) (b/4d/17)",
		MakeSense(0x3, 0x70, 0xFF):  "medium error: decompression exception short algorithm id of nn (3/70/ff)",
		MakeSense(0xF, 0x74, 0x79):  "completed: security conflict in translated device (f/74/79)",
		MakeSense(0x9, 0x80, 0x01):  "vendor specific: additional sense (9/80/01)",
		MakeSense(0x4, 0x40, 0x7F):  "hardware error: additional sense (4/40/7f)",
		MakeSense(0xC, 0xFF, 0xFF):  "reserved: additional sense (c/ff/ff)",
		MakeSense(0xFF, 0x00, 0x00): "completed: no additional sense information (ff/00/00)",
	} {
		require.Equal(t, want, s.Error())
	}
}

// TestSenseConstants wants T10's text for every constant, lest one has wrong digits.
func TestSenseConstants(t *testing.T) {
	for s, want := range map[Sense]string{
		BecomingReady: "becoming ready", InitializingRequired: "initializing command required", FormatInProgress: "format in progress",
		NotReadyCause: "cause not reportable", ALUATransition: "asymmetric access state transition", ALUAStandby: "standby state",
		ALUAUnavailable: "unavailable state", SanitizeInProgress: "sanitize in progress", MediumNotPresent: "medium not present",
		MediumTrayOpen: "tray open", MediumWriteError: "write error", MediumReadError: "unrecovered read error", WriteFault: "write fault",
		LogicalUnitFailure: "logical unit failure", InternalTargetFailure: "internal target failure",
		ParameterListLength: "parameter list length error", InvalidOpcode: "invalid command operation code",
		LBAOutOfRange: "address out of range", InvalidFieldInCDB: "invalid field in cdb", LogicalUnitNotSupported: "logical unit not supported",
		InvalidFieldInParams: "invalid field in parameter list", ParameterNotSupported: "parameter not supported",
		ParameterValueInvalid: "parameter value invalid", TooManySegments: "too many segment descriptors",
		SavingNotSupported: "saving parameters not supported", InvalidMessage: "invalid message error",
		RemovalPrevented: "medium removal prevented", InvalidCommandIUField: "invalid field in command information unit",
		MediumMayHaveChanged: "medium may have changed",
		PowerOnOccurred:      "power on, reset, or bus device reset occurred", BusResetOccurred: "scsi bus reset occurred",
		DeviceReset: "bus device reset function occurred", NexusLoss: "i_t nexus loss occurred", ParametersChanged: "parameters changed",
		ModeParametersChanged: "mode parameters changed", LogParametersChanged: "log parameters changed",
		ReservationsPreempted: "reservations preempted", ReservationsReleased: "reservations released",
		RegistrationsPreempted: "registrations preempted", ALUAStateChanged: "asymmetric access state changed",
		CapacityChanged: "capacity data has changed", CommandsCleared: "commands cleared by another initiator",
		ThinThresholdReached: "soft threshold reached", OperatingConditions: "target operating conditions have changed",
		InquiryDataChanged: "inquiry data has changed", ReportedLUNsChanged: "reported luns data has changed",
		OperatorRemovalRequest: "operator medium removal request", WriteProtected: "write protected",
		SoftwareWriteProtected: "software write protected", SpaceAllocationFailed: "space allocation failed write protect",
		CommandAborted: "no additional sense information", UnexpectedUnsolicited: "unexpected unsolicited data",
		NotEnoughUnsolicited: "not enough unsolicited data", ProtocolCRCError: "protocol service crc error",
		InitiatorDetected: "initiator detected error", DataPhaseError: "data phase error", TargetAbortedFailure: "internal target failure",
		OverlappedCommands: "overlapped commands attempted", MiscompareVerify: "miscompare during verify operation",
	} {
		require.Contains(t, s.Error(), want)
	}
}

func TestSenseErrors(t *testing.T) {
	e := &SenseError{Sense: MediumReadError, Cause: io.ErrUnexpectedEOF}
	require.ErrorIs(t, e, MediumReadError)
	require.ErrorIs(t, e, io.ErrUnexpectedEOF)
	require.False(t, errors.Is(e, MediumWriteError))
	require.Equal(t, "medium error: unrecovered read error (3/11/00): unexpected EOF", e.Error())
	require.Equal(t, KeyMediumError, e.Key())

	bare := &SenseError{Sense: InvalidOpcode}
	require.ErrorIs(t, bare, InvalidOpcode)
	require.Equal(t, InvalidOpcode.Error(), bare.Error())

	require.Empty(t, cmp.Diff(&SenseError{Sense: InvalidFieldInCDB, Field: &FieldPointer{Byte: 2, Bit: 7, BitOK: true}}, BadCDB(2, 7)))
	require.Empty(t, cmp.Diff(&SenseError{Sense: InvalidFieldInParams, Field: &FieldPointer{Byte: 300, Data: true}}, BadParam(300, -1)))
}

// TestSenseIsFree: a handler that returns a constant allocates nothing, and neither does
// the sense data made of it.
func TestSenseIsFree(t *testing.T) {
	exec := func(n int) error {
		if n > 0 {
			return LBAOutOfRange
		}
		return nil
	}
	var buf [64]byte
	e := SenseError{Sense: LBAOutOfRange, Valid: true, Info: 9}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if exec(1) != LBAOutOfRange || senseText(0x21, 0) == "" {
			panic("another error")
		}
		AppendSense(buf[:0], &e, false)
		AppendSense(buf[:0], &e, true)
	}))
}
