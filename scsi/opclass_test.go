package scsi

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lists are those of the standards, by the commands' names without the length of the
// CDB; they say nothing of the table.

// Commands by their columns in the tables of commands that are allowed in the presence of
// persistent reservations (SPC-4 table 66, SBC-3 table 12): Write Exclusive, Exclusive
// Access, and the registrants types for who is not registered.
var (
	allowedAlways = []string{
		"INQUIRY", "LOG SENSE", "PERSISTENT RESERVE IN", "READ CAPACITY", "REPORT IDENTIFYING INFORMATION", "REPORT LUNS",
		"REPORT TARGET PORT GROUPS", "REPORT TIMESTAMP", "REQUEST SENSE", "TEST UNIT READY",
		// Only the unit's own copy manager is asked here, not the medium.
		"RECEIVE COPY STATUS", "RECEIVE COPY DATA", "RECEIVE COPY OPERATING PARAMETERS", "RECEIVE COPY FAILURE DETAILS",
	}
	allowedWriteExclusive = []string{
		"GET LBA STATUS", "MODE SENSE", "PRE-FETCH", "READ", "READ BUFFER", "READ DEFECT DATA", "RECEIVE DIAGNOSTIC RESULTS",
		"REPORT SUPPORTED OPERATION CODES", "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "SECURITY PROTOCOL IN", "VERIFY",
	}
	conflicting = []string{
		"COMPARE AND WRITE", "EXTENDED COPY", "FORMAT UNIT", "LOG SELECT", "MODE SELECT", "ORWRITE", "REASSIGN BLOCKS", "SANITIZE",
		"SECURITY PROTOCOL OUT", "SEND DIAGNOSTIC", "SET TARGET PORT GROUPS", "SET TIMESTAMP", "SYNCHRONIZE CACHE", "UNMAP", "WRITE",
		"WRITE AND VERIFY", "WRITE ATOMIC", "WRITE BUFFER", "WRITE SAME",
	}
	ownRules = []string{"PERSISTENT RESERVE OUT", "RELEASE", "RESERVE"}
)

// baseName is the name of a row without the length of its CDB and its service action.
func baseName(o *OpInfo) string {
	name, _, _ := strings.Cut(o.Name, ", ")
	if i := strings.IndexByte(name, '('); i > 0 {
		name = name[:i]
	}
	return name
}

func TestReservationClasses(t *testing.T) {
	classes := map[ReserveClass][]string{
		ReserveAllowed: allowedAlways,
		ReserveRead:    allowedWriteExclusive,
		ReserveWrite:   conflicting,
		ReserveOwn:     ownRules,
		ReservePrevent: {"PREVENT ALLOW MEDIUM REMOVAL"},
		ReserveStart:   {"START STOP UNIT"},
	}
	everyRow(t, func(t *testing.T, o *OpInfo) {
		name := baseName(o)
		for class, names := range classes {
			require.Equal(t, class == o.Reserve, slices.Contains(names, name), "class %s", reserveNames[class])
		}
	})
}

// TestSPC2Classes: which commands RESERVE of another initiator does not keep out. REQUEST
// SENSE, INQUIRY, REPORT LUNS, LOG SENSE, RELEASE and READ CAPACITY are those of SPC-2 and
// SBC; commands younger than these, and TEST UNIT READY by which multipath software tells
// a path's health, move no data of the unit's medium.
func TestSPC2Classes(t *testing.T) {
	allowed := []string{
		"INQUIRY", "LOG SENSE", "READ CAPACITY", "RELEASE", "REPORT LUNS", "REQUEST SENSE", "TEST UNIT READY",
		"REPORT TARGET PORT GROUPS", "REPORT SUPPORTED OPERATION CODES", "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
	}
	everyRow(t, func(t *testing.T, o *OpInfo) {
		require.Equal(t, slices.Contains(allowed, baseName(o)), o.Flags&FlagSPC2Allowed != 0)
	})
}

// TestAccessClasses: what a port group in standby has to process, and what one that is
// unavailable or in transition has to (SPC-4 5.16.2.4), next to what it may process.
func TestAccessClasses(t *testing.T) {
	unavailable := []string{
		"INQUIRY", "READ BUFFER", "REPORT LUNS", "REPORT TARGET PORT GROUPS", "REQUEST SENSE", "SET TARGET PORT GROUPS",
		"WRITE BUFFER",
	}
	standby := []string{
		"LOG SELECT", "LOG SENSE", "MODE SELECT", "MODE SENSE", "PERSISTENT RESERVE IN", "PERSISTENT RESERVE OUT",
		"RECEIVE DIAGNOSTIC RESULTS", "SEND DIAGNOSTIC",
	}
	everyRow(t, func(t *testing.T, o *OpInfo) {
		name := baseName(o)
		if slices.Contains(unavailable, name) {
			require.Equal(t, ALUAAlways, o.ALUA)
		}
		if slices.Contains(standby, name) {
			require.Equal(t, ALUAStandbyOK, o.ALUA)
		}
		if o.Flags&(FlagMedium|FlagWrites) != 0 || name == "TEST UNIT READY" {
			require.Equal(t, ALUAActive, o.ALUA)
		}
	})
}

// TestWriteClasses: what a write-protected unit refuses (SBC-3 4.9): whatever changes
// the medium.
func TestWriteClasses(t *testing.T) {
	writes := []string{
		"COMPARE AND WRITE", "FORMAT UNIT", "ORWRITE", "REASSIGN BLOCKS", "SANITIZE", "UNMAP", "WRITE", "WRITE AND VERIFY",
		"WRITE ATOMIC", "WRITE SAME",
	}
	everyRow(t, func(t *testing.T, o *OpInfo) {
		require.Equal(t, slices.Contains(writes, baseName(o)), o.Flags&FlagWrites != 0)
	})
}

// TestUnitAttentionClasses: the three commands that are processed although a unit
// attention condition is pending (SAM-5 5.14).
func TestUnitAttentionClasses(t *testing.T) {
	everyRow(t, func(t *testing.T, o *OpInfo) {
		require.Equal(t, slices.Contains([]string{"INQUIRY", "REPORT LUNS", "REQUEST SENSE"}, o.Name), o.Flags&FlagSkipUA != 0)
	})
}
