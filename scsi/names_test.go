package scsi

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for want, v := range map[string]fmt.Stringer{
		"GOOD": Status(0x00), "CHECK CONDITION": Status(0x02), "CONDITION MET": Status(0x04), "BUSY": Status(0x08),
		"RESERVATION CONFLICT": Status(0x18), "TASK SET FULL": Status(0x28), "ACA ACTIVE": Status(0x30), "TASK ABORTED": Status(0x40),
		"status 22h": Status(0x22),

		"SIMPLE": Simple, "ORDERED": Ordered, "HEAD OF QUEUE": HeadOfQueue, "ACA": ACA, "unknown task attribute": TaskAttr(9),

		"none": DirNone, "in": DirIn, "out": DirOut, "both": DirBoth,

		"ABORT TASK": AbortTask, "ABORT TASK SET": AbortTaskSet, "CLEAR ACA": ClearACA, "CLEAR TASK SET": ClearTaskSet,
		"LOGICAL UNIT RESET": LogicalUnitReset, "TARGET RESET": TargetReset, "TARGET COLD RESET": ColdReset,
		"QUERY TASK": QueryTask, "QUERY TASK SET": QueryTaskSet, "QUERY ASYNCHRONOUS EVENT": QueryAsyncEvent,
		"I_T NEXUS RESET": NexusReset, "unknown task management function": TaskFunction(200),

		"FUNCTION COMPLETE": FunctionComplete, "FUNCTION SUCCEEDED": FunctionSucceeded, "FUNCTION REJECTED": FunctionRejected,
		"INCORRECT LOGICAL UNIT NUMBER": IncorrectLUN, "TASK DOES NOT EXIST": TaskNotFound,
		"FUNCTION NOT SUPPORTED": FunctionUnsupported, "SERVICE DELIVERY OR TARGET FAILURE": DeliveryFailure,
		"unknown task management response": TaskResponse(200),

		"disk": TypeDisk, "tape": TypeTape, "processor": TypeProcessor, "cdrom": TypeCDROM, "optical": TypeOptical,
		"changer": TypeChanger, "raid": TypeRAID, "enclosure": TypeEnclosure, "well-known logical unit": TypeWellKnown,
		"device type 02h": DeviceType(2),

		"no sense": KeyNoSense, "recovered error": KeyRecoveredError, "not ready": KeyNotReady, "medium error": KeyMediumError,
		"hardware error": KeyHardwareError, "illegal request": KeyIllegalRequest, "unit attention": KeyUnitAttention,
		"data protect": KeyDataProtect, "blank check": KeyBlankCheck, "vendor specific": KeyVendorSpecific,
		"copy aborted": KeyCopyAborted, "aborted command": KeyAbortedCommand, "volume overflow": KeyVolumeOverflow,
		"miscompare": KeyMiscompare, "completed": KeyCompleted,
	} {
		require.Equal(t, want, v.String())
	}
	require.Equal(t, "none", TypeNone.String())
	require.Equal(t, "unknown task management function", TaskFunction(0).String())
}

func TestStatusError(t *testing.T) {
	for e, want := range map[StatusError]Status{
		ErrBusy: StatusBusy, ErrTaskSetFull: StatusTaskSetFull, ErrReservationConflict: StatusReservationConflict,
		ErrConditionMet: StatusConditionMet, ErrACAActive: StatusACAActive, ErrTaskAborted: StatusTaskAborted,
	} {
		require.Equal(t, want, e.Status())
		require.Equal(t, "scsi: status "+want.String(), e.Error())
		var got StatusError
		require.True(t, errors.As(fmt.Errorf("write: %w", e), &got))
		require.Equal(t, e, got)
	}
}

func TestTimeouts(t *testing.T) {
	require.EqualValues(t, 60, TimeoutRegular.Seconds())
	require.EqualValues(t, 10, TimeoutShort.Seconds())
	require.EqualValues(t, 3600, TimeoutLong.Seconds())
}
