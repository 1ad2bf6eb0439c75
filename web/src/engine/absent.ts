// In the place of what vtk.js names and a viewer never calls.
export const create = undefined;
export default {};
