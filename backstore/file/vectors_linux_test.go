package file

// haveVectors: vectors go to the system as they are.
const haveVectors = true
