// Owns what the server says about itself in the page it serves.

// Whether this hub runs on the machine of who looks at it, with a sign-in where one picks who to be.
export const development = document.querySelector('meta[name="hub-development"]')?.content === "yes";
