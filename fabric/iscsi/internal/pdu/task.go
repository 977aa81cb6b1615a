package pdu

// TaskFunction is the function of a Task Management Request (RFC 7143 11.5.1; those
// from FuncQueryTask on are of RFC 7144 and need iSCSIProtocolLevel 2).
type TaskFunction uint8

// Task management functions.
const (
	FuncAbortTask       TaskFunction = 1
	FuncAbortTaskSet    TaskFunction = 2
	FuncClearACA        TaskFunction = 3
	FuncClearTaskSet    TaskFunction = 4
	FuncLUNReset        TaskFunction = 5
	FuncTargetWarmReset TaskFunction = 6
	FuncTargetColdReset TaskFunction = 7
	FuncTaskReassign    TaskFunction = 8
	FuncQueryTask       TaskFunction = 9
	FuncQueryTaskSet    TaskFunction = 10
	FuncITNexusReset    TaskFunction = 11
	FuncQueryAsyncEvent TaskFunction = 12
)

// String names f as the standards do.
func (f TaskFunction) String() string {
	switch f {
	case FuncAbortTask:
		return "ABORT TASK"
	case FuncAbortTaskSet:
		return "ABORT TASK SET"
	case FuncClearACA:
		return "CLEAR ACA"
	case FuncClearTaskSet:
		return "CLEAR TASK SET"
	case FuncLUNReset:
		return "LOGICAL UNIT RESET"
	case FuncTargetWarmReset:
		return "TARGET WARM RESET"
	case FuncTargetColdReset:
		return "TARGET COLD RESET"
	case FuncTaskReassign:
		return "TASK REASSIGN"
	case FuncQueryTask:
		return "QUERY TASK"
	case FuncQueryTaskSet:
		return "QUERY TASK SET"
	case FuncITNexusReset:
		return "I_T NEXUS RESET"
	case FuncQueryAsyncEvent:
		return "QUERY ASYNCHRONOUS EVENT"
	}
	return number("task management function", uint64(f))
}

// TaskResult is the response to a task management function (RFC 7143 11.6.1).
type TaskResult uint8

// Responses to task management functions. TaskSucceeded is of RFC 7144.
const (
	TaskComplete             TaskResult = 0
	TaskDoesNotExist         TaskResult = 1
	TaskLUNDoesNotExist      TaskResult = 2
	TaskStillAllegiant       TaskResult = 3
	TaskReassignNotSupported TaskResult = 4
	TaskNotSupported         TaskResult = 5
	TaskAuthFailed           TaskResult = 6
	TaskSucceeded            TaskResult = 7
	TaskRejected             TaskResult = 255
)

// String names r as RFC 7143 does.
func (r TaskResult) String() string {
	switch r {
	case TaskComplete:
		return "Function complete"
	case TaskDoesNotExist:
		return "Task does not exist"
	case TaskLUNDoesNotExist:
		return "LUN does not exist"
	case TaskStillAllegiant:
		return "Task still allegiant"
	case TaskReassignNotSupported:
		return "Task allegiance reassignment not supported"
	case TaskNotSupported:
		return "Task management function not supported"
	case TaskAuthFailed:
		return "Function authorization failed"
	case TaskSucceeded:
		return "Function succeeded"
	case TaskRejected:
		return "Function rejected"
	}
	return number("task management response", uint64(r))
}

// TaskRequest is a Task Management Function Request PDU (RFC 7143 11.5).
type TaskRequest struct{ Request }

// TaskRequest returns h seen as a Task Management Function Request.
func (h *Header) TaskRequest() TaskRequest { return TaskRequest{Request{h}} }

// InitTaskRequest clears h and makes it a request for f that refers to no task.
func (h *Header) InitTaskRequest(f TaskFunction) TaskRequest {
	h.Init(OpTaskRequest)
	h[1] = flagFinal | byte(f&0x7F)
	h.TaskRequest().SetRefTag(ReservedTag)
	return h.TaskRequest()
}

// Function returns the function, which may be a reserved one.
func (r TaskRequest) Function() TaskFunction { return TaskFunction(r.Header[1] & 0x7F) }

// RefTag returns the Referenced Task Tag: the task that the function is about, or
// ReservedTag.
func (r TaskRequest) RefTag() uint32 { return r.u32(20) }

// SetRefTag sets the Referenced Task Tag.
func (r TaskRequest) SetRefTag(tag uint32) { r.setU32(20, tag) }

// RefCmdSN returns the command sequence number of the referenced task; it is meaningful
// for FuncAbortTask.
func (r TaskRequest) RefCmdSN() uint32 { return r.u32(32) }

// SetRefCmdSN sets the command sequence number of the referenced task.
func (r TaskRequest) SetRefCmdSN(sn uint32) { r.setU32(32, sn) }

// ExpDataSN returns the next data sequence number; it is meaningful for FuncTaskReassign.
func (r TaskRequest) ExpDataSN() uint32 { return r.u32(36) }

// SetExpDataSN sets the next data sequence number.
func (r TaskRequest) SetExpDataSN(sn uint32) { r.setU32(36, sn) }

// TaskResponse is a Task Management Function Response PDU (RFC 7143 11.6).
type TaskResponse struct{ Response }

// TaskResponse returns h seen as a Task Management Function Response.
func (h *Header) TaskResponse() TaskResponse { return TaskResponse{Response{h}} }

// InitTaskResponse clears h and makes it a Task Management Function Response.
func (h *Header) InitTaskResponse(r TaskResult) TaskResponse {
	h.Init(OpTaskResponse)
	h.SetFinal(true)
	h[2] = byte(r)
	return h.TaskResponse()
}

// Result returns the response code.
func (r TaskResponse) Result() TaskResult { return TaskResult(r.Header[2]) }
