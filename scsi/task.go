package scsi

// TaskAttr is a task attribute (SAM-5 8.6).
type TaskAttr uint8

// The task attributes.
const (
	Simple      TaskAttr = iota // also for untagged tasks
	Ordered                     // after all older tasks, before all younger ones
	HeadOfQueue                 // before everything
	ACA                         // only while an auto contingent allegiance exists
)

// String is the name that SAM-5 gives the attribute.
func (a TaskAttr) String() string {
	switch a {
	case Simple:
		return "SIMPLE"
	case Ordered:
		return "ORDERED"
	case HeadOfQueue:
		return "HEAD OF QUEUE"
	case ACA:
		return "ACA"
	}
	return "unknown task attribute"
}

// Direction is the direction of a data transfer, as the initiator sees it.
type Direction uint8

// The directions: DirIn is from device to initiator (READ).
const (
	DirNone Direction = 0
	DirIn   Direction = 1
	DirOut  Direction = 2
	DirBoth Direction = 3
)

// String is none, in, out or both.
func (d Direction) String() string {
	return [...]string{"none", "in", "out", "both"}[d&3]
}

// TaskFunction is a task management function (SAM-5 7.1).
type TaskFunction uint8

// The functions that initiators ask for, and the two events that transports
// report in the same way (SAM-5 6.3).
const (
	AbortTask TaskFunction = iota + 1
	AbortTaskSet
	ClearACA
	ClearTaskSet
	LogicalUnitReset
	TargetReset // iSCSI's TARGET WARM RESET
	ColdReset   // iSCSI's TARGET COLD RESET: the transport ends the sessions afterwards
	QueryTask
	QueryTaskSet
	QueryAsyncEvent
	NexusReset // I_T NEXUS RESET
)

// String is the name that SAM-5 gives the function.
func (f TaskFunction) String() string {
	names := [...]string{"unknown task management function", "ABORT TASK", "ABORT TASK SET", "CLEAR ACA", "CLEAR TASK SET",
		"LOGICAL UNIT RESET", "TARGET RESET", "TARGET COLD RESET", "QUERY TASK", "QUERY TASK SET",
		"QUERY ASYNCHRONOUS EVENT", "I_T NEXUS RESET"}
	if int(f) < len(names) {
		return names[f]
	}
	return names[0]
}

// TaskResponse is the service response of a task management function (SAM-5 7.1).
type TaskResponse uint8

// The service responses.
const (
	FunctionComplete TaskResponse = iota
	FunctionSucceeded
	FunctionRejected
	IncorrectLUN
	TaskNotFound        // ABORT TASK of a tag that does not exist; most transports say FUNCTION COMPLETE
	FunctionUnsupported // not implemented by this logical unit
	DeliveryFailure     // SERVICE DELIVERY OR TARGET FAILURE
)

// String is the name that SAM-5 gives the response.
func (r TaskResponse) String() string {
	names := [...]string{"FUNCTION COMPLETE", "FUNCTION SUCCEEDED", "FUNCTION REJECTED", "INCORRECT LOGICAL UNIT NUMBER",
		"TASK DOES NOT EXIST", "FUNCTION NOT SUPPORTED", "SERVICE DELIVERY OR TARGET FAILURE"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown task management response"
}
