/** The emulated board has no pins. */
export default { io: {}, pin: {} };
