// In the place of a package that vtk.js names and a viewer never calls.
export const create = undefined;
export default {};
